//! Starts processes, and sees to it that each of them ends, with all of its group, and is reaped:
//! whatever becomes of the task and of the thread whose it is.
//!
//! ```text
//!            asked to end                100 ms, and it is there still      the grace is over
//!   runs ──────────────────▶ stdin is closed ─────────▶ SIGTERM ──────────────────▶ SIGKILL
//!     │                             │                      │                           │
//!     └──── it ends by itself ──────┴──────────────────────┴───────────────────────────┘
//!                                   ▼
//!            what is left of its group is killed; it is reaped; its place is free
//! ```
//!
//! One thread does it for all processes. A process that has ended is a zombie until its group is
//! killed, so that its number cannot be another's by then.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::exit_error::ExitError;
use super::process_log::log_lines;

/// How long a process has after its input has ended, which is enough for most to end.
const END_OF_INPUT: Duration = Duration::from_millis(100);

/// How long the last lines of what a process says to the log are waited for.
const LAST_LINES: Duration = Duration::from_millis(100);

/// How long the last processes have to be gone once they are killed.
const KILLED: Duration = Duration::from_secs(1);

/// A process that was started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    /// Asks it to end when it is dropped.
    pub(super) ending: oneshot::Sender<()>,
    /// Tells how it has ended.
    pub(super) ended: oneshot::Receiver<Ended>,
}

/// How a process has ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    /// With status 0, or because we ended it.
    Well,
    Failed(ExitError),
}

/// Starts a process, in a group of its own. `place` is held until it has been reaped. Cancel safe: one
/// that nobody waits for any more is ended.
///
/// # Errors
///
/// It cannot be started.
pub(super) async fn start(
    mut command: Command,
    grace: Duration,
    place: impl Send + 'static,
) -> io::Result<Started> {
    let supervisor = supervisor()?;
    let starting = supervisor.runtime.spawn(async move {
        let counted = PROCESSES.count();
        let (leader, pipes) = spawn(&mut command, supervisor)?;
        let (ending, asked) = oneshot::channel();
        let (tell, ended) = oneshot::channel();
        let program = command.get_program().to_string_lossy().into_owned();
        let lines = tokio::spawn(log_lines(program, leader.child.id(), pipes.stderr));
        tokio::spawn(async move {
            let _held = (place, counted);
            leader.end(grace, asked, tell).await;
            // One that it has left behind in another group may hold its end open for ever.
            let abort = lines.abort_handle();
            if timeout(LAST_LINES, lines).await.is_err() {
                abort.abort();
            }
        });
        Ok(Started {
            stdin: pipes.stdin.into(),
            stdout: pipes.stdout.into(),
            ending,
            ended,
        })
    });
    starting.await.map_err(io::Error::other)?
}

/// Runs a task on the thread of the processes, which outlives those that serve.
///
/// # Errors
///
/// There is no such thread.
pub(super) fn spawn_aside(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    supervisor()?.runtime.spawn(task);
    Ok(())
}

/// Waits until the processes of all [`ExecUpstream`](super::ExecUpstream)s have ended, but no longer
/// than this; those that are still there are killed then, and others that are started at once. For
/// the end of a program, whose processes would outlive it; blocks the thread.
pub fn end_processes(patience: Duration) {
    if !PROCESSES.end_within(patience)
        && let Ok(supervisor) = supervisor()
    {
        supervisor.kill.cancel();
        PROCESSES.end_within(KILLED);
    }
}

static SUPERVISOR: LazyLock<io::Result<Supervisor>> = LazyLock::new(Supervisor::start);

static PROCESSES: Processes = Processes {
    count: Mutex::new(0),
    changed: Condvar::new(),
};

fn supervisor() -> io::Result<&'static Supervisor> {
    let supervisor = SUPERVISOR.as_ref();
    supervisor.map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

/// The thread that sees to the processes.
struct Supervisor {
    runtime: Handle,
    /// Tells that some process has ended.
    changed: Notify,
    /// Has every process killed at once.
    kill: CancellationToken,
}

impl Supervisor {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let mut children = signal(SignalKind::child())?;
        drop(context);
        let supervisor = Self {
            runtime: runtime.handle().clone(),
            changed: Notify::new(),
            kill: CancellationToken::new(),
        };
        let thread = thread::Builder::new().name("processes".into());
        thread.spawn(move || {
            runtime.block_on(async {
                while children.recv().await.is_some() {
                    if let Ok(supervisor) = &*SUPERVISOR {
                        supervisor.changed.notify_waiters();
                    }
                }
            });
        })?;
        Ok(supervisor)
    }
}

/// How many processes there are.
struct Processes {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Processes {
    /// Counts one more until what is returned is dropped.
    fn count(&'static self) -> Counted {
        *self.lock() += 1;
        Counted(self)
    }

    /// Waits until there is none, but no longer than this; whether there is none.
    fn end_within(&self, patience: Duration) -> bool {
        let until = Instant::now().checked_add(patience);
        let mut count = self.lock();
        while *count > 0 {
            let left = until.map_or(patience, |until| until - Instant::now().min(until));
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(count, left);
            count = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        // A number is whole whoever panics.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the processes.
struct Counted(&'static Processes);

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.changed.notify_all();
    }
}

/// The three pipes of a process.
struct Pipes {
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

/// A process that leads a group, and has not been reaped.
struct Leader {
    child: Child,
    pid: Pid,
    supervisor: &'static Supervisor,
}

fn spawn(command: &mut Command, supervisor: &'static Supervisor) -> io::Result<(Leader, Pipes)> {
    let mut child = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        unreachable!("all three are piped")
    };
    let pipes = Pipes {
        stdin,
        stdout,
        stderr,
    };
    let pid = Pid::from_child(&child);
    let leader = Leader {
        child,
        pid,
        supervisor,
    };
    Ok((leader, pipes))
}

impl Leader {
    /// Waits until the process has ended, and has it end once that is asked; then kills what is left of
    /// its group, and reaps it. Tells how it has ended, where that was not our doing.
    async fn end(
        mut self,
        grace: Duration,
        mut asked: oneshot::Receiver<()>,
        tell: oneshot::Sender<Ended>,
    ) {
        let orderly = async {
            let by_itself = tokio::select! {
                ended = self.ended() => Some(ended),
                _ = &mut asked => None,
            };
            let is_asked = by_itself.is_none();
            let ended = match by_itself {
                Some(ended) => ended,
                None => match timeout(END_OF_INPUT, self.ended()).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        self.signal(Signal::TERM);
                        let _ = timeout(grace, self.ended()).await;
                        return;
                    }
                },
            };
            // Who waits for what it has written knows now how that ends.
            let _ = tell.send(ended);
            // What it has started may still write for it.
            if !is_asked && timeout(grace, &mut asked).await.is_err() {
                self.signal(Signal::TERM);
                let _ = timeout(grace, &mut asked).await;
            }
        };
        tokio::select! {
            () = orderly => {}
            () = self.supervisor.kill.cancelled() => {}
        }
        self.signal(Signal::KILL);
        self.ended().await;
        // It has ended: this blocks nobody, and cannot fail.
        let _ = self.child.wait();
    }

    /// Waits until it has ended, without reaping it.
    async fn ended(&self) -> Ended {
        loop {
            // Before the look: it is told of all that changes from here on.
            let changed = self.supervisor.changed.notified();
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pid(self.pid), options) {
                Ok(None) => changed.await,
                Ok(Some(status)) => {
                    return match (status.exit_status(), status.terminating_signal()) {
                        (Some(status @ 1..), _) => Ended::Failed(ExitError::Status(status)),
                        (_, Some(signal)) => Ended::Failed(ExitError::Signal(signal)),
                        _ => Ended::Well,
                    };
                }
                // Somebody else has reaped it.
                Err(_) => return Ended::Well,
            }
        }
    }

    /// Sends a signal to all of its group.
    fn signal(&self, signal: Signal) {
        // There is nobody left where it fails, or somebody who has become another user.
        let _ = kill_process_group(self.pid, signal);
    }
}
