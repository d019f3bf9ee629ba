//! Leave to be there.

use std::fmt;

/// Whoever let a transport in counts it for as long as this is held: it goes where the transport
/// goes, and lingers with it.
pub(crate) struct Permit {
    _held: Box<dyn Send + Sync>,
}

impl Permit {
    /// Leave that ends by the drop of this.
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
