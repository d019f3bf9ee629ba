//! A limit on the number of passwords that are hashed concurrently.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;
use std::time::Duration;

use polysock_protocols::Rejection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A limited number of places for hashing. Hashing is slow by design, so it runs outside the
/// threads that serve connections. The whole process shares the places.
pub(super) struct Hashing {
    places: Arc<Semaphore>,
    waiting: Semaphore,
}

/// The maximum number of requests that may wait for a place.
const MAX_WAITING: usize = 256;

/// The longest time that a request may wait for a place.
const PATIENCE: Duration = Duration::from_secs(10);

static HASHING: LazyLock<Hashing> = LazyLock::new(|| {
    // The other half is left for clients that have been admitted.
    let places = available_parallelism().map_or(1, |count| count.get().div_ceil(2));
    Hashing::new(places, MAX_WAITING)
});

/// Runs slow work in one of the places.
///
/// # Errors
///
/// Too many requests wait for a place, the wait is too long (both 503), or the work panics (500).
///
/// # Cancel safety
///
/// Work that has begun continues, and keeps its place until it ends.
pub(super) async fn hashed<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Rejection> {
    HASHING.run(work).await
}

impl Hashing {
    fn new(places: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: Semaphore::new(waiting),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let busy = || Rejection::unavailable("too many passwords are waiting to be checked");
        let waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let place = timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(busy());
        };
        drop(waiting);
        let done = spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        done.await
            .map_err(|_| Rejection::new(500, "the password cannot be checked"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn running_and_waiting_hashes_are_limited() {
        let hashing = Hashing::new(1, 1);
        let (go, wait) = mpsc::channel::<()>();
        let mut first = Box::pin(hashing.run(move || wait.recv().is_ok()));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(hashing.run(|| 2));
        assert!(second.as_mut().now_or_never().is_none());
        let full = hashing.run(|| 3).await.unwrap_err();
        assert_eq!(full.status, 503);
        assert!(full.fields.has("retry-after"));
        // A dropped future leaves its place only when its work is done.
        drop(first);
        assert!(second.as_mut().now_or_never().is_none());
        go.send(()).unwrap();
        assert_eq!(second.await, Ok(2));
    }
}
