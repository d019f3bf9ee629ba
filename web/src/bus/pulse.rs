//! Whether a broker is still there.

use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep_until};

/// How long nothing may be asked of a broker before it is asked whether it is there.
const QUIET: Duration = Duration::from_secs(5);

/// How long a broker may take to say something once it was asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// When a broker was heard of last.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Since when nothing has come of it, or since it was asked after that.
    since: Instant,
}

/// It does not answer.
#[derive(Debug, Error)]
#[error("the broker has not answered for {} s", PATIENCE.as_secs())]
pub(super) struct Silent;

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
        }
    }

    /// Something has come of it, or it is asked something while nothing was open.
    pub(super) fn reset(&mut self) {
        self.since = Instant::now();
    }

    /// Waits until it has to be asked for a sign of life: one that something `is_asked` of gives it in time, or is
    /// silent. Dropping the future loses nothing.
    pub(super) async fn is_due(&self, is_asked: bool) -> Result<(), Silent> {
        if is_asked {
            sleep_until(self.since + PATIENCE).await;
            Err(Silent)
        } else {
            sleep_until(self.since + QUIET).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_broker_is_asked_when_it_was_quiet_and_has_ten_seconds_then() {
        let mut pulse = Pulse::new();
        let begun = Instant::now();
        pulse.is_due(false).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 5);
        pulse.reset();
        assert!(pulse.is_due(true).await.is_err());
        assert_eq!(begun.elapsed().as_secs(), 15);
        pulse.reset();
        advance(Duration::from_secs(9)).await;
        pulse.reset();
        let second = Duration::from_secs(9);
        assert!(timeout(second, pulse.is_due(true)).await.is_err());
    }
}
