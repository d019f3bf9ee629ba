//! Rate limiting of log messages for frequent events.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

/// The minimum time between two reports.
const PAUSE: Duration = Duration::from_secs(1);

/// A throttle, which reports the first event immediately, and the following ones once a second,
/// gathered in a `T`.
///
/// The last gathered events are reported by a task on the runtime on which they were noted. If that
/// runtime has ended, the next event or the drop of the throttle reports them. Clones share the
/// throttle.
pub(crate) struct Throttle<T> {
    shared: Arc<Shared<T>>,
}

/// A count of failures, and the last error.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// The number of failures.
    pub(crate) count: u64,
    /// The last error.
    pub(crate) last: String,
}

struct Shared<T> {
    gathered: Mutex<Gathered<T>>,
    tell: Box<dyn Fn(T) + Send + Sync>,
}

struct Gathered<T> {
    /// The events not reported yet. `None` if there are none.
    unreported: Option<T>,
    /// The earliest time of the next report. `None` before the first.
    due: Option<Instant>,
    /// Whether a task waits for that time.
    is_awaited: bool,
}

impl<T: Default + Send + 'static> Throttle<T> {
    /// Creates a throttle that reports gathered events with `tell`.
    pub(crate) fn new(tell: impl Fn(T) + Send + Sync + 'static) -> Self {
        let gathered = Gathered {
            unreported: None,
            due: None,
            is_awaited: false,
        };
        Self {
            shared: Arc::new(Shared {
                gathered: Mutex::new(gathered),
                tell: Box::new(tell),
            }),
        }
    }

    /// Records an event.
    pub(crate) fn note(&self, add: impl FnOnce(&mut T)) {
        let mut gathered = self.shared.lock();
        add(gathered.unreported.get_or_insert_default());
        let due = match gathered.due {
            Some(due) if due > Instant::now() => due,
            _ => return self.shared.tell(gathered),
        };
        if !gathered.is_awaited
            && let Ok(runtime) = Handle::try_current()
        {
            gathered.is_awaited = true;
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move {
                let mut due = due;
                loop {
                    sleep_until(due).await;
                    let mut gathered = shared.lock();
                    match gathered.due {
                        // An event after `due` was reported immediately, which has moved the next
                        // report.
                        Some(later) if later > due => due = later,
                        _ => {
                            gathered.is_awaited = false;
                            return shared.tell(gathered);
                        }
                    }
                }
            });
        }
    }
}

impl<T> Shared<T> {
    fn tell(&self, mut gathered: MutexGuard<'_, Gathered<T>>) {
        let unreported = gathered.unreported.take();
        gathered.due = Some(Instant::now() + PAUSE);
        drop(gathered);
        if let Some(unreported) = unreported {
            (self.tell)(unreported);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered<T>> {
        // The gathered data are consistent between any two events, so a panic cannot break them.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        self.tell(self.lock());
    }
}

impl<T> Clone for Throttle<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for Throttle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl Failures {
    /// Adds a failure.
    pub(crate) fn add(&mut self, error: &dyn fmt::Display) {
        self.count += 1;
        self.last = error.to_string();
    }

    /// Returns the number of failures. `None` if it is not above one.
    pub(crate) fn times(&self) -> Option<u64> {
        Some(self.count).filter(|count| *count > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a throttle, and the list of its reports.
    fn throttle() -> (Throttle<Failures>, Arc<Mutex<Vec<u64>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        let tell = move |failures: Failures| telling.lock().unwrap().push(failures.count);
        (Throttle::new(tell), told)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_failure_is_reported_immediately_and_others_once_a_second() {
        let (throttle, told) = throttle();
        for count in [100, 10, 1] {
            for _ in 0..count {
                throttle.note(|failures| failures.add(&"no"));
            }
            // Not a whole number of seconds, so that the order of timers is unambiguous.
            tokio::time::sleep(PAUSE * 7 / 4).await;
        }
        assert_eq!(*told.lock().unwrap(), [1, 99, 10, 1]);
        tokio::time::sleep(PAUSE * 10).await;
        throttle.note(|failures| failures.add(&"no"));
        assert_eq!(*told.lock().unwrap(), [1, 99, 10, 1, 1]);
    }

    #[test]
    fn without_a_runtime_gathered_failures_are_reported_on_drop() {
        let (throttle, told) = throttle();
        for _ in 0..10 {
            throttle.note(|failures| failures.add(&"no"));
        }
        assert_eq!(*told.lock().unwrap(), [1]);
        drop(throttle);
        assert_eq!(*told.lock().unwrap(), [1, 9]);
    }
}
