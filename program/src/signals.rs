//! Signals and the shutdown of a server.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::task::Poll;
use std::time::Duration;

use polysock::upstream::end_processes;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::exit::Exit;
use crate::log;

/// The reactions to signals that would kill the process. SIGPIPE is not among them: Rust's runtime
/// ignores it.
const MEANINGS: [(&str, SignalKind, Meaning); 7] = [
    ("SIGTERM", SignalKind::terminate(), Meaning::End),
    ("SIGINT", SignalKind::interrupt(), Meaning::End),
    ("SIGQUIT", SignalKind::quit(), Meaning::End),
    // Sent by `systemctl reload` and terminals that are closed.
    ("SIGHUP", SignalKind::hangup(), Meaning::Reload),
    // Sent by logrotate.
    ("SIGUSR1", SignalKind::user_defined1(), Meaning::Reopen),
    ("SIGUSR2", SignalKind::user_defined2(), Meaning::Nothing),
    ("SIGALRM", SignalKind::alarm(), Meaning::Nothing),
];

/// The extra time beyond the workers' deadline. The workers have the same deadline and report the
/// connections that they had to cut.
const GRACE: Duration = Duration::from_millis(300);

/// The action that a signal requests.
#[derive(Clone, Copy)]
enum Meaning {
    /// Closes all connections and ends.
    End,
    /// Reads the configuration again.
    Reload,
    /// Opens the log files again.
    Reopen,
    /// Does nothing in this program.
    Nothing,
}

/// A request by a signal, with the signal's name where needed.
pub(crate) enum SignalRequest {
    /// Closes all connections and ends.
    End,
    /// Reads the configuration again.
    Reload(&'static str),
}

/// The event that happened first.
pub(crate) enum First<T> {
    SignalRequest(SignalRequest),
    Other(T),
}

/// The signals that a server catches.
pub(crate) struct Signals {
    runtime: Runtime,
    caught: Vec<Caught>,
}

/// One caught signal.
struct Caught {
    name: &'static str,
    meaning: Meaning,
    signal: Signal,
}

impl Signals {
    /// Starts to catch the signals: none kills the process from now on.
    pub(crate) fn catch() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let caught = MEANINGS.iter().map(|&(name, kind, meaning)| {
            Ok(Caught {
                name,
                meaning,
                signal: signal(kind)?,
            })
        });
        let caught = caught.collect::<io::Result<_>>()?;
        drop(context);
        Ok(Self { runtime, caught })
    }

    /// Waits for a signal that requests something, or for another event.
    pub(crate) fn next_or<T>(&mut self, other: impl Future<Output = T>) -> First<T> {
        let caught = &mut self.caught;
        self.runtime.block_on(async {
            tokio::select! {
                (name, asked) = asked(caught) => {
                    if let SignalRequest::End = asked {
                        info!("closing connections ({name})");
                    }
                    First::SignalRequest(asked)
                }
                other = other => First::Other(other),
            }
        })
    }

    /// Waits for a signal that requests the end, for servers without a configuration file.
    pub(crate) fn wait(&mut self) {
        while let First::SignalRequest(SignalRequest::Reload(name)) =
            self.next_or(pending::<Infallible>())
        {
            info!("{name} is ignored: there is no configuration file to read again");
        }
    }

    /// The runtime whose tasks run while signals are waited for.
    pub(crate) fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Waits for a signal that requests the end, or for another event that ends the server. Logs
    /// the reason.
    pub(crate) fn wait_or(&mut self, other: impl Future<Output = &'static str>) {
        let caught = &mut self.caught;
        let ending = async {
            loop {
                match asked(caught).await {
                    (name, SignalRequest::End) => break name,
                    (name, SignalRequest::Reload(_)) => {
                        info!("{name} is ignored: this command has no configuration to reload");
                    }
                }
            }
        };
        let why = self.runtime.block_on(async {
            tokio::select! {
                name = ending => name,
                why = other => why,
            }
        });
        info!("closing connections ({why})");
    }

    /// Waits for the connections to close, up to the deadline and a short grace. `join` waits for
    /// the workers and returns the number of connections cut at the deadline. A second signal ends
    /// the process immediately.
    pub(crate) fn wait_for(
        mut self,
        deadline: Duration,
        join: impl FnOnce() -> io::Result<usize> + Send + 'static,
    ) -> Exit {
        let asked = asked_to_end(&mut self.caught);
        let cut = self.runtime.block_on(async {
            tokio::select! {
                cut = tokio::task::spawn_blocking(join) => cut.map_err(io::Error::other)?.map(Some),
                _ = asked => {
                    warn!("second signal: not waiting for connections to close");
                    end_processes(Duration::ZERO);
                    log::finish();
                    std::process::exit(75);
                }
                () = sleep(deadline.saturating_add(GRACE)) => Ok(None),
            }
        });
        // Threads that are still running end with the process.
        self.runtime.shutdown_background();
        match cut {
            Ok(Some(0)) => Exit::Ok,
            Ok(Some(cut)) => {
                warn!(cut, "connections had to be cut at the shutdown deadline");
                Exit::Cut
            }
            Ok(None) => {
                warn!("the shutdown deadline has passed: unfinished threads are abandoned");
                Exit::Cut
            }
            Err(problem) => Exit::Failed.with(problem),
        }
    }
}

/// Waits for a signal that requests something. Returns its name as well.
async fn asked(caught: &mut [Caught]) -> (&'static str, SignalRequest) {
    loop {
        let (name, meaning) = poll_fn(|cx| {
            let came = caught
                .iter_mut()
                .find_map(|caught| caught.signal.poll_recv(cx).is_ready().then_some(caught));
            came.map_or(Poll::Pending, |caught| {
                Poll::Ready((caught.name, caught.meaning))
            })
        })
        .await;
        match meaning {
            Meaning::End => return (name, SignalRequest::End),
            Meaning::Reload => return (name, SignalRequest::Reload(name)),
            Meaning::Reopen if log::reopen() => info!("log files are opened again ({name})"),
            Meaning::Reopen => info!("{name} is ignored: there are no log files to open again"),
            Meaning::Nothing => info!("{name} is ignored: it has no meaning here"),
        }
    }
}

/// Waits for a signal that requests the end.
async fn asked_to_end(caught: &mut [Caught]) {
    while let (name, SignalRequest::Reload(_)) = asked(caught).await {
        info!("{name} is ignored: connections are being closed");
    }
}
