//! Events that come in crowds, told without flooding the log.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

/// How often what is noted is told.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the first event at once, and what follows once a second, gathered in a `T`.
///
/// What is gathered last is told by a task of the runtime it was noted on; where that has ended, by
/// the next event, or when the throttle is dropped. Clones are the same.
pub(crate) struct Throttle<T> {
    shared: Arc<Shared<T>>,
}

/// How often something failed, and of what last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// How often.
    pub(crate) count: u64,
    /// The last error.
    pub(crate) last: String,
}

struct Shared<T> {
    gathered: Mutex<Gathered<T>>,
    tell: Box<dyn Fn(T) + Send + Sync>,
}

struct Gathered<T> {
    /// What has not been told yet.
    untold: Option<T>,
    /// When it may be told, once something was.
    due: Option<Instant>,
    /// Whether a task waits for that.
    is_awaited: bool,
}

impl<T: Default + Send + 'static> Throttle<T> {
    /// Tells what has been gathered like this.
    pub(crate) fn new(tell: impl Fn(T) + Send + Sync + 'static) -> Self {
        let gathered = Gathered {
            untold: None,
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

    /// Notes an event.
    pub(crate) fn note(&self, add: impl FnOnce(&mut T)) {
        let mut gathered = self.shared.lock();
        add(gathered.untold.get_or_insert_default());
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
                        // An event that came a little late was told by itself.
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
        let untold = gathered.untold.take();
        gathered.due = Some(Instant::now() + PAUSE);
        drop(gathered);
        if let Some(untold) = untold {
            (self.tell)(untold);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered<T>> {
        // What is gathered is whole between any two events, so a panic cannot break it.
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
    /// One more.
    pub(crate) fn add(&mut self, error: &dyn fmt::Display) {
        self.count += 1;
        self.last = error.to_string();
    }

    /// How often, where that is more than once.
    pub(crate) fn times(&self) -> Option<u64> {
        Some(self.count).filter(|count| *count > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A throttle, and what it has told.
    fn throttle() -> (Throttle<Failures>, Arc<Mutex<Vec<u64>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        let tell = move |failures: Failures| telling.lock().unwrap().push(failures.count);
        (Throttle::new(tell), told)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_told_at_once_and_the_others_once_a_second() {
        let (throttle, told) = throttle();
        for count in [100, 10, 1] {
            for _ in 0..count {
                throttle.note(|failures| failures.add(&"no"));
            }
            // Beside the seconds, so that it is clear what comes first.
            tokio::time::sleep(PAUSE * 7 / 4).await;
        }
        assert_eq!(*told.lock().unwrap(), [1, 99, 10, 1]);
        tokio::time::sleep(PAUSE * 10).await;
        throttle.note(|failures| failures.add(&"no"));
        assert_eq!(*told.lock().unwrap(), [1, 99, 10, 1, 1]);
    }

    #[test]
    fn what_is_gathered_is_told_at_the_end_where_no_runtime_is_there() {
        let (throttle, told) = throttle();
        for _ in 0..10 {
            throttle.note(|failures| failures.add(&"no"));
        }
        assert_eq!(*told.lock().unwrap(), [1]);
        drop(throttle);
        assert_eq!(*told.lock().unwrap(), [1, 9]);
    }
}
