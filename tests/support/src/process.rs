//! A process, and all lines that it prints.

use std::fs::{self, DirEntry};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// A process, whose output is read by threads so that it never blocks.
///
/// A process that still runs is killed when this is dropped. Chromium, the only third-party program
/// with child processes, ends them itself.
pub struct Process {
    child: Child,
    /// The lines of stdout and stderr. The channel ends when all writers have closed the pipes.
    lines: Receiver<String>,
    /// The output that was taken from the channel so far.
    output: String,
    has_ended: bool,
}

/// The outcome of a process.
#[derive(Debug)]
pub struct End {
    /// The exit status; `None` if the process had to be killed.
    pub status: Option<ExitStatus>,
    /// The output on stdout and stderr.
    pub output: String,
}

impl Process {
    /// Starts a process.
    pub fn start(command: &mut Command) -> Self {
        Self::start_logging(command.stdout(Stdio::piped()))
    }

    /// Starts a process with a stdout that the caller has set.
    pub fn start_logging(command: &mut Command) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is there and executable");
        let (sender, lines) = mpsc::channel();
        let stderr = child.stderr.take().expect("it is a pipe");
        if let Some(stdout) = child.stdout.take() {
            collect(stdout, sender.clone());
        }
        collect(stderr, sender);
        Self {
            child,
            lines,
            output: String::new(),
            has_ended: false,
        }
    }

    /// Closes the stdin of the process, if it is a pipe.
    pub fn end_input(&mut self) {
        self.child.stdin.take();
    }

    /// Waits for a line for which `find` returns a value, after the lines of earlier waits.
    pub fn wait_for_line<T>(
        &mut self,
        limit: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + limit;
        while let Ok(line) = self.next_line(deadline) {
            if let Some(found) = find(&line) {
                return Some(found);
            }
        }
        None
    }

    /// Waits for the end, and kills the process if the limit expires.
    pub fn end(&mut self, limit: Duration) -> End {
        let deadline = Instant::now() + limit;
        let is_timely = loop {
            match self.next_line(deadline) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => break false,
            }
        };
        if !is_timely {
            let _ = self.child.kill();
        }
        let status = self.child.wait().expect("it was not waited for before");
        self.has_ended = true;
        End {
            status: Some(status).filter(|_| is_timely),
            output: self.output.clone(),
        }
    }

    /// Sends a signal such as `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Returns the process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the output as far as it was waited for.
    pub fn output(&self) -> &str {
        &self.output
    }

    fn next_line(&mut self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = self.lines.recv_timeout(left)?;
        self.output.push_str(&line);
        self.output.push('\n');
        Ok(line)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.output
                .extend(self.lines.try_iter().map(|line| line + "\n"));
            eprintln!("{}", self.output);
        }
    }
}

/// Sends a signal, for which the standard library has no function. After `STOP`, waits until the
/// process has stopped.
pub fn signal(child: &Child, name: &str) {
    let kill = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(kill.expect("there is a kill").success());
    if name == "STOP" {
        wait_until_stopped(child.id());
    }
}

/// Waits until all threads of a process have stopped, which is not immediate. Returns immediately
/// if there is no `/proc`.
fn wait_until_stopped(process: u32) {
    let threads = format!("/proc/{process}/task");
    let is_stopped = |thread: DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat"));
        let stat = stat.unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, state)| state.starts_with('T'))
    };
    let deadline = Instant::now() + PATIENCE;
    while let Ok(threads) = fs::read_dir(&threads) {
        if threads.flatten().all(is_stopped) {
            return;
        }
        assert!(Instant::now() < deadline, "{process} does not stop");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for the end of a process and for its piped output. A process that does not end in time is
/// killed, and the test fails.
pub fn output(child: Child, limit: Duration) -> Output {
    let pid = child.id().to_string();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(limit) else {
        let killed = Command::new("kill").args(["-s", "KILL", &pid]).status();
        panic!("still there after {limit:?}, {killed:?}");
    };
    output.expect("an output")
}

fn collect(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}
