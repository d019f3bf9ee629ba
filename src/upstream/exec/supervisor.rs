//! Starts processes, and ensures that each of them ends, with its whole group, and is reaped, even
//! if the task or the thread that uses it ends.
//!
//! ```text
//!            asked to end                         after 100 ms             after the grace period
//!   runs ──────────────────▶ stdin is closed ─────────▶ SIGTERM ──────────────────▶ SIGKILL
//!     │                             │                      │                           │
//!     └──── it ends by itself ──────┴──────────────────────┴───────────────────────────┘
//!                                   ▼
//!            the rest of its group is killed; the process is reaped; its place is free
//! ```
//!
//! One thread supervises all processes. A process that has ended stays a zombie until its group is
//! killed, so that its PID is not reused before.

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

/// The time that a process has to end after its input was closed; enough for most.
const END_OF_INPUT: Duration = Duration::from_millis(100);

/// The time to wait for the last lines that a process writes to the log.
const LAST_LINES: Duration = Duration::from_millis(100);

/// The time for the remaining processes to end after they were killed.
const KILLED: Duration = Duration::from_secs(1);

/// A process that has been started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    /// Asks the process to end when it is dropped.
    pub(super) ending: oneshot::Sender<()>,
    /// Receives how the process has ended. Closed without a value if we ended it with a signal.
    pub(super) ended: oneshot::Receiver<Ended>,
}

/// The outcome of a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    /// Status 0, or unknown because the process was reaped elsewhere.
    Well,
    Failed(ExitError),
}

/// Starts a process in a group of its own. `place` is held until the process has been reaped.
/// Cancel safe: if the future is dropped, the process is ended.
///
/// # Errors
///
/// The process cannot be started.
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
            // A descendant in another group may hold the pipe open for ever.
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

/// Runs a task on the thread of the supervisor, which outlives the threads that serve.
///
/// # Errors
///
/// The thread could not be started.
pub(super) fn spawn_aside(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    supervisor()?.runtime.spawn(task);
    Ok(())
}

/// Waits until the processes of all [`ExecUpstream`](super::ExecUpstream)s have ended, for at most
/// `patience`. Processes that are then left are killed, and processes that are started later are
/// killed immediately. For the end of a program, whose processes would outlive it. Blocks the
/// thread.
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

/// The supervisor, which has a thread of its own.
struct Supervisor {
    runtime: Handle,
    /// Notified when a process has ended.
    changed: Notify,
    /// Kills every process immediately when it is cancelled.
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

/// The number of processes.
struct Processes {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Processes {
    /// Counts one more process until the returned value is dropped.
    fn count(&'static self) -> ProcessSlot {
        *self.lock() += 1;
        ProcessSlot(self)
    }

    /// Waits until no process is left, for at most `patience`. Returns true if none is left.
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
        // A panic cannot leave a number half written.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that counts until this is dropped.
struct ProcessSlot(&'static Processes);

impl Drop for ProcessSlot {
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

/// The leader of a process group, not yet reaped.
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
    /// Waits until the process has ended, or ends it when asked to. Then kills the rest of its
    /// group and reaps it. Sends the outcome, unless we ended the process with a signal.
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
            // The reader of the output now learns the outcome.
            let _ = tell.send(ended);
            // Descendants may still write to the output.
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
        // The process has ended, so this neither blocks nor fails.
        let _ = self.child.wait();
    }

    /// Waits until the process has ended, without reaping it.
    async fn ended(&self) -> Ended {
        loop {
            // Created before the check, so that a change in between is noticed.
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
                // The process was reaped elsewhere.
                Err(_) => return Ended::Well,
            }
        }
    }

    /// Sends a signal to the whole group.
    fn signal(&self, signal: Signal) {
        // This fails if no process is left, or if those left belong to another user.
        let _ = kill_process_group(self.pid, signal);
    }
}
