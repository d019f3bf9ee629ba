//! The program: parse, set up logs, run, exit code.
//!
//! A module imports only from the lines above its own; `tests/tidy.rs` checks it.
//!
//! ```text
//!   log              lines on standard error or in files, written by separate threads
//!   spans            spans for a collector of traces, sent by a separate thread
//!   exit             exit codes
//!   signals          signals, and the shutdown of a server
//!   service_manager  notifications to systemd
//!   descriptors      the limit of file descriptors of the process
//!   flags            flags that several commands share: values, servers, compression
//!   beside           sockets that are not for clients, which another server takes over as well
//!   control          the control listener for operators
//!   config           the configuration file: its keys, loading, and error reports
//!   serving          turns a configuration into sites, and listeners for their clients
//!   commands         the commands, one file each
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod beside;
mod commands;
mod config;
mod control;
mod descriptors;
mod exit;
mod flags;
mod log;
mod service_manager;
mod serving;
mod signals;
mod spans;

use std::env;
use std::ffi::OsString;
use std::panic;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::commands::Command;
use self::exit::Exit;
use self::flags::log::LogFlags;

/// Serve every WebSocket protocol ever shipped on one port, and test clients and servers
#[derive(Debug, Parser)]
#[command(name = "polysock", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    log: LogFlags,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse_from(arguments());
    let configured = cli.command.log_settings();
    let settings = cli.log.over(&configured);
    if let Err(problem) = log::start(&settings, cli.command.log_level()) {
        eprintln!("polysock: {problem}");
        let is_configured = |file: &Path| configured.names(file);
        return match problem.file() {
            Some(file) if is_configured(file) => Exit::Config.into(),
            _ => Exit::Failed.into(),
        };
    }
    panic::set_hook(Box::new(log::panicked));
    let exit = cli.command.run(Cli::command);
    log::finish();
    exit.into()
}

/// The command line. `websockify` as the program's name selects the command of that name.
fn arguments() -> Vec<OsString> {
    const NAME: &str = "websockify";
    let mut arguments: Vec<_> = env::args_os().collect();
    let name = arguments
        .first()
        .and_then(|path| Path::new(path).file_name());
    if name.is_some_and(|name| name == NAME) {
        arguments.insert(1, NAME.into());
    }
    arguments
}
