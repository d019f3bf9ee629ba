//! The command line.

mod bench;
mod capture;
mod compression;
mod connect;
mod explain;
mod import;
mod log;
mod protocols;
mod replay;
mod serve;
mod server;
mod signals;
mod values;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One port that speaks every WebSocket protocol ever shipped.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    /// How log lines are written
    #[arg(long, global = true, value_enum, default_value_t = log::Format::Text, value_name = "FORMAT")]
    log_format: log::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Capture(capture::Capture),
    Connect(connect::Connect),
    Bench(bench::Bench),
    Explain(explain::Explain),
    Import(import::Import),
    Protocols(protocols::Protocols),
    Replay(replay::Replay),
}

/// Exit codes, for scripts and service managers; clap itself exits with 2 for usage errors.
#[derive(Clone, Copy, Debug)]
enum Exit {
    Ok,
    /// Something failed at run time, nothing could be measured (`bench`) or imported
    /// (`import`), a client would be refused (`explain`), or something differs (`replay`).
    Failed,
    /// Wrong usage that clap did not find, or bytes that say nothing (`explain`).
    Usage,
    /// The connection, or its opening handshake, was refused (`connect`, `bench`).
    Refused,
    /// The connection ended abnormally or with a code other than 1000, 1001 or none (`connect`).
    Closed,
    /// Connections had to be cut at the shutdown deadline (EX_TEMPFAIL).
    Cut,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Closed => 4,
            Exit::Cut => 75,
        })
    }
}

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    // An interactive client has the terminal to itself.
    let default = match cli.command {
        Command::Serve(_) | Command::Capture(_) => "info",
        _ => "warn",
    };
    if let Err(error) = log::start(cli.log_format, default) {
        eprintln!("polysock: the thread that logs cannot be started: {error}");
        return Exit::Failed.into();
    }
    let exit = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Capture(capture) => capture.run(),
        Command::Connect(connect) => connect.run(),
        Command::Bench(bench) => bench.run(),
        Command::Explain(explain) => explain.run(),
        Command::Import(import) => import.run(),
        Command::Protocols(protocols) => protocols.run(),
        Command::Replay(replay) => replay.run(),
    };
    log::finish();
    exit.into()
}
