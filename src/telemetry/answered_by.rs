//! The upstream that has answered an ordinary request.

use std::sync::{Arc, OnceLock};

/// The upstream that has answered an ordinary request. The extensions of a request contain this
/// slot only if the request's log line contains the upstream.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnsweredBy {
    upstream: Arc<OnceLock<Arc<str>>>,
}

impl AnsweredBy {
    /// Records the upstream: `http://127.0.0.1:9000`.
    pub(crate) fn note(&self, upstream: &Arc<str>) {
        // Only one upstream answers, so the slot is still empty.
        let _ = self.upstream.set(Arc::clone(upstream));
    }

    /// Returns the upstream that has answered, if any.
    pub(crate) fn upstream(&self) -> Option<&str> {
        self.upstream.get().map(|upstream| &**upstream)
    }
}
