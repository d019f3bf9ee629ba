//! A timer that may not be set.

use std::future::pending;
use std::pin::Pin;

use tokio::time::Sleep;

/// Waits for a timer, forever if there is none.
pub(super) async fn expired(sleep: Option<&mut Pin<Box<Sleep>>>) {
    match sleep {
        Some(sleep) => sleep.as_mut().await,
        None => pending().await,
    }
}
