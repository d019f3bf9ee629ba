//! Which upstream has answered an ordinary request.

use std::sync::{Arc, OnceLock};

/// Which upstream has answered an ordinary request. It is among the extensions of one whose line in the
/// log says so, and of no other.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnsweredBy {
    upstream: Arc<OnceLock<Arc<str>>>,
}

impl AnsweredBy {
    /// Notes that it is this one: `http://127.0.0.1:9000`.
    pub(crate) fn note(&self, upstream: &Arc<str>) {
        // There is one answer.
        let _ = self.upstream.set(Arc::clone(upstream));
    }

    /// The one that it is, if any.
    pub(crate) fn upstream(&self) -> Option<&str> {
        self.upstream.get().map(|upstream| &**upstream)
    }
}
