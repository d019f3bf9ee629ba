//! The command line.

mod bench;
mod capture;
mod compression;
mod connect;
mod explain;
mod import;
mod protocols;
mod replay;
mod serve;
mod server;
mod signals;
mod values;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

/// One port that speaks every WebSocket protocol ever shipped.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    /// How log lines are written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    log_format: LogFormat,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
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
    log_to_stderr(cli.log_format, default);
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
    exit.into()
}

fn log_to_stderr(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
