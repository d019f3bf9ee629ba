//! The count of open connections, and the conditions for the program to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use polysock::{Application, BoxError, Handshake};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// A counter of the WebSockets of an application. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    open: AtomicUsize,
    ended: AtomicUsize,
    changed: Notify,
}

/// The conditions for the program to end by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// Ends at this time after the start, or later when the last connection has closed.
    pub(super) after: Option<Duration>,
    /// Ends once there have been no connections for this long.
    pub(super) idle: Option<Duration>,
    /// Ends once the first connection has ended.
    pub(super) once: bool,
}

impl Activity {
    /// Wraps an application so that its WebSockets are counted.
    pub(super) fn of(&self, application: impl Application) -> impl Application {
        Counted {
            activity: self.clone(),
            application,
        }
    }

    /// Waits until the program is to end. Returns the reason.
    pub(super) async fn ends(&self, Ends { after, idle, once }: Ends) -> &'static str {
        let start = Instant::now();
        loop {
            // Registered before the counts are read, so that no later change is missed.
            let changed = self.shared.changed.notified();
            if once && self.shared.ended.load(Ordering::SeqCst) > 0 {
                return "--run-once";
            }
            let is_open = self.shared.open.load(Ordering::SeqCst) > 0;
            let time_is_over = async {
                match after {
                    Some(after) if !is_open => sleep_until(start + after).await,
                    Some(_) | None => std::future::pending().await,
                }
            };
            let is_idle = async {
                match idle {
                    Some(idle) if !is_open => sleep(idle).await,
                    Some(_) | None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = time_is_over => return "--timeout",
                () = is_idle => return "--idle-timeout",
            }
        }
    }
}

struct Counted<A> {
    activity: Activity,
    application: A,
}

impl<A: Application> Application for Counted<A> {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let shared = Arc::clone(&self.activity.shared);
        shared.open.fetch_add(1, Ordering::SeqCst);
        shared.changed.notify_waiters();
        let open = Open(shared);
        let serving = self.application.serve(handshake);
        Box::pin(async move {
            let _open = open;
            serving.await
        })
    }
}

/// An open connection; dropping it counts it as ended.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}
