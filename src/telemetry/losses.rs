//! What slow readers miss of a broadcast.

use tracing::warn;

use super::Throttle;

/// What has been missed of a broadcast since that was told last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    /// How many subscriptions have missed something for the first time.
    pub(crate) subscriptions: u64,
    /// How many messages were missed, each by one subscription.
    pub(crate) messages: u64,
}

impl Losses {
    /// Warns of them, where some have begun.
    pub(crate) fn throttle() -> Throttle<Self> {
        Throttle::new(|losses: Self| {
            warn!(
                subscriptions = losses.subscriptions,
                messages = losses.messages,
                "clients read too slowly and miss what is published"
            );
        })
    }
}
