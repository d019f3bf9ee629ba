//! A process in the background: it is started anew, and the one that was started first ends once it
//! listens.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::exit::Exit;

/// Tells the process in the background that it is the one.
const VARIABLE: &str = "POLYSOCK_IN_BACKGROUND";

/// Whether this is the process in the background.
pub(super) fn is_background() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Starts the process in the background with the same command line, and waits until it
/// [is ready](ready).
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
        // It has said why.
        true => match child.wait()?.code() {
            Some(2) => Exit::Usage,
            _ => Exit::Failed,
        },
        false => Exit::Ok,
    })
}

/// Leaves the terminal, before anything is started.
pub(super) fn leave_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Says that the process in the background listens, and that nobody hears it from here on, but in a
/// file of its log.
pub(super) fn ready() -> io::Result<()> {
    let nothing = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(&nothing)?;
    let mut stdout = io::stdout();
    stdout.write_all(b"ready\n")?;
    stdout.flush()?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(())
}
