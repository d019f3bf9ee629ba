//! A liveness timer for a broker.

use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep_until};

/// The time without traffic after which a ping is due.
const QUIET: Duration = Duration::from_secs(5);

/// The time within which a broker must send something if a request is open.
const PATIENCE: Duration = Duration::from_secs(10);

/// The liveness timer of one broker.
#[derive(Debug)]
pub(super) struct Liveness {
    /// The time at which the broker last sent something, or at which a request was sent to it while
    /// none was open.
    since: Instant,
}

/// The error for a broker that does not answer.
#[derive(Debug, Error)]
#[error("the broker has not answered for {} s", PATIENCE.as_secs())]
pub(super) struct Silent;

impl Liveness {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
        }
    }

    /// Restarts the timer: the broker has sent something, or a request was sent to it while none
    /// was open.
    pub(super) fn reset(&mut self) {
        self.since = Instant::now();
    }

    /// Waits until a ping is due if no request is open. If a request is open (`is_asked`), waits
    /// until the broker should have answered, and returns [`Silent`]. Dropping the future loses
    /// nothing.
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
    async fn a_quiet_broker_is_pinged_and_has_ten_seconds_to_answer() {
        let mut liveness = Liveness::new();
        let begun = Instant::now();
        liveness.is_due(false).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 5);
        liveness.reset();
        assert!(liveness.is_due(true).await.is_err());
        assert_eq!(begun.elapsed().as_secs(), 15);
        liveness.reset();
        advance(Duration::from_secs(9)).await;
        liveness.reset();
        let second = Duration::from_secs(9);
        assert!(timeout(second, liveness.is_due(true)).await.is_err());
    }
}
