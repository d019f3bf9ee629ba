//! A process, and all that it prints.

use std::fs::{self, DirEntry};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// A process, whose lines are read by threads so that it never blocks on them.
///
/// Killed when dropped before it has ended; the one third party that has children, Chromium's, takes
/// them along.
pub struct Process {
    child: Child,
    /// The lines of stdout and stderr. The channel ends when nobody holds their other end any more.
    lines: Receiver<String>,
    /// What has been taken from the channel.
    output: String,
    has_ended: bool,
}

/// How a process ended.
#[derive(Debug)]
pub struct End {
    /// `None` where it had to be killed.
    pub status: Option<ExitStatus>,
    /// What it printed on stdout and stderr.
    pub output: String,
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        Self::start_logging(command.stdout(Stdio::piped()))
    }

    /// Starts it with a stdout of the caller's.
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

    /// Ends what it reads from, where that is a pipe.
    pub fn end_input(&mut self) {
        self.child.stdin.take();
    }

    /// Waits for a line that `find` finds something in, behind those that were waited for before.
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

    /// Waits for the end, and kills the process where it does not come.
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

    /// Sends a signal: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed as far as that was waited for.
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

/// Sends a signal, which the standard library cannot. A process that is sent `STOP` has stopped then.
pub fn signal(child: &Child, name: &str) {
    let kill = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(kill.expect("there is a kill").success());
    if name == "STOP" {
        wait_until_stopped(child.id());
    }
}

/// Waits until no thread of a process runs any more, which is not at once; where there is no `/proc`, for
/// nothing.
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

/// Waits for the end and for all that is piped and has not been taken. A process that does not end
/// is killed, and the test fails.
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
