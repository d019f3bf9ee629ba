//! Signals, and how a server ends.

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

/// What a server does about signals that would kill it. SIGPIPE is none of them: Rust's runtime
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

/// How much longer than their deadline the workers may take: they have it too, and tell what they
/// had to cut.
const GRACE: Duration = Duration::from_millis(300);

/// What a signal asks for.
#[derive(Clone, Copy)]
enum Meaning {
    /// To close all connections and end.
    End,
    /// To read the configuration again.
    Reload,
    /// To open the files of the log again.
    Reopen,
    /// Nothing that there is here.
    Nothing,
}

/// What was asked for by a signal of this name.
pub(crate) enum Asked {
    /// To close all connections and end.
    End,
    /// To read the configuration again.
    Reload(&'static str),
}

/// What happened first.
pub(crate) enum First<T> {
    Asked(Asked),
    Other(T),
}

/// The signals that a server catches.
pub(crate) struct Signals {
    runtime: Runtime,
    caught: Vec<Caught>,
}

/// One of them.
struct Caught {
    name: &'static str,
    meaning: Meaning,
    signal: Signal,
}

impl Signals {
    /// From now on none of them kills the process.
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

    /// Waits for one that asks for something, or for something else.
    pub(crate) fn next_or<T>(&mut self, other: impl Future<Output = T>) -> First<T> {
        let caught = &mut self.caught;
        self.runtime.block_on(async {
            tokio::select! {
                (name, asked) = asked(caught) => {
                    if let Asked::End = asked {
                        info!("closing connections ({name})");
                    }
                    First::Asked(asked)
                }
                other = other => First::Other(other),
            }
        })
    }

    /// Waits for one that asks to end, where there is no configuration.
    pub(crate) fn wait(&mut self) {
        while let First::Asked(Asked::Reload(name)) = self.next_or(pending::<Infallible>()) {
            info!("{name} is ignored: there is no configuration file to read again");
        }
    }

    /// Where tasks run while signals are waited for.
    pub(crate) fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Waits for one that asks to end, or for something else that does, and says why.
    pub(crate) fn wait_or(&mut self, other: impl Future<Output = &'static str>) {
        let caught = &mut self.caught;
        let ending = async {
            loop {
                match asked(caught).await {
                    (name, Asked::End) => break name,
                    (name, Asked::Reload(_)) => info!("{name} is ignored: nothing is read again"),
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

    /// Waits for the connections to close, as `join` does, which tells how many had to be cut at
    /// the deadline, but hardly longer than that. A second signal ends the process at once.
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
                    warn!("asked twice: not waiting for connections to close");
                    end_processes(Duration::ZERO);
                    log::finish();
                    std::process::exit(75);
                }
                () = sleep(deadline.saturating_add(GRACE)) => Ok(None),
            }
        });
        // Threads that are not done end with the process.
        self.runtime.shutdown_background();
        match cut {
            Ok(Some(0)) => Exit::Ok,
            Ok(Some(cut)) => {
                warn!(cut, "connections had to be cut at the shutdown deadline");
                Exit::Cut
            }
            Ok(None) => {
                warn!("the shutdown deadline is over: threads that are not done are cut");
                Exit::Cut
            }
            Err(problem) => Exit::Failed.with(problem),
        }
    }
}

/// Waits for a signal that asks for something; returns its name, too.
async fn asked(caught: &mut [Caught]) -> (&'static str, Asked) {
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
            Meaning::End => return (name, Asked::End),
            Meaning::Reload => return (name, Asked::Reload(name)),
            Meaning::Reopen if log::reopen() => info!("log files are opened again ({name})"),
            Meaning::Reopen => info!("{name} is ignored: there are no log files to open again"),
            Meaning::Nothing => info!("{name} is ignored: it asks for nothing that there is"),
        }
    }
}

/// Waits for a signal that asks to end.
async fn asked_to_end(caught: &mut [Caught]) {
    while let (name, Asked::Reload(_)) = asked(caught).await {
        info!("{name} is ignored: connections are being closed");
    }
}
