//! Permits, which count the transports that a gateway has admitted.

use std::fmt;

/// A guard that counts an admitted transport for as long as it exists. It is kept with the
/// transport, also while that lingers.
pub(crate) struct Permit {
    _held: Box<dyn Send + Sync>,
}

impl Permit {
    /// Creates a permit that drops `held` when it ends.
    pub(crate) fn new(held: impl Send + Sync + 'static) -> Self {
        Self {
            _held: Box::new(held),
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
