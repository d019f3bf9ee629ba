//! `polysock reload`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::config::Config;
use crate::exit::Exit;

/// Make a running `polysock serve` read its configuration file again
///
/// Checks the file first: if it is invalid, the exit code is 78 and the server is not signalled.
/// The process of the server is the one in the file that `pid_file` names; the log of the server
/// reports the changes.
#[derive(Args, Debug)]
pub(crate) struct Reload {
    /// Configuration file of the server
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

impl Reload {
    pub(crate) fn run(self) -> Exit {
        let loaded = match Config::load(&self.config) {
            Ok(loaded) => loaded,
            Err(error) => {
                eprint!("{error}");
                return Exit::Config;
            }
        };
        if !loaded.warnings.is_empty() {
            eprint!("{}", loaded.warnings);
        }
        let Some(file) = loaded.config.process.pid_file else {
            return Exit::Config.with(format!(
                "{} names no pid_file: add one, as pid_file = \"/run/polysock.pid\", or send the server SIGHUP",
                self.config.display()
            ));
        };
        match ask(&file) {
            Ok(()) => Exit::Ok,
            Err(problem) => Exit::Failed.with(format!("{}: {problem}", file.display())),
        }
    }
}

/// Sends SIGHUP to the process whose ID is in a file.
fn ask(file: &Path) -> Result<(), String> {
    let text =
        fs::read_to_string(file).map_err(|error| format!("{error}; is the server running?"))?;
    let number = text.trim().parse().ok().and_then(Pid::from_raw);
    let process = number.ok_or("the file contains no process ID")?;
    let sent = kill_process(process, Signal::HUP);
    sent.map_err(|error| {
        format!(
            "cannot send SIGHUP to process {}: {error}",
            process.as_raw_nonzero()
        )
    })
}
