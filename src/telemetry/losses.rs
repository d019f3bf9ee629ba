//! Messages of a broadcast that slow readers miss.

use tracing::warn;

use super::Throttle;

/// The losses of a broadcast since the last warning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    /// The number of subscriptions that have missed their first message.
    pub(crate) subscriptions: u64,
    /// The number of missed messages, summed over subscriptions.
    pub(crate) messages: u64,
}

impl Losses {
    /// Returns a throttle that logs a warning of the losses.
    pub(crate) fn throttle() -> Throttle<Self> {
        Throttle::new(|losses: Self| {
            warn!(
                subscriptions = losses.subscriptions,
                messages = losses.messages,
                "clients read too slowly and miss publications"
            );
        })
    }
}
