//! The background process of `--daemon`: the program starts itself again, and the first process
//! ends once the second listens.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::exit::Exit;

/// The environment variable that marks the background process.
const VARIABLE: &str = "POLYSOCK_IN_BACKGROUND";

/// True in the background process.
pub(super) fn is_background() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Starts the background process with the same command line, and waits until it is [ready](ready).
pub(super) fn start() -> io::Result<Exit> {
    let mut arguments = env::args_os();
    let mut command = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let mut child = command
        .args(arguments)
        .env(VARIABLE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut sign = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut sign)?;
    }
    Ok(match sign.is_empty() {
        // The background process has printed the error.
        true => match child.wait()?.code() {
            Some(2) => Exit::Usage,
            _ => Exit::Failed,
        },
        false => Exit::Ok,
    })
}

/// Leaves the terminal's session. Called before the server starts.
pub(super) fn leave_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Reports that the background process listens, and redirects its output to /dev/null. From then on
/// only log files are written.
pub(super) fn ready() -> io::Result<()> {
    let nothing = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(&nothing)?;
    let mut stdout = io::stdout();
    stdout.write_all(b"ready\n")?;
    stdout.flush()?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(())
}
