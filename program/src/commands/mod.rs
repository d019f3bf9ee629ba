//! The commands, one file each.

mod bench;
mod capture;
#[cfg(feature = "tls")]
mod cert;
mod check;
mod completions;
mod config;
mod connect;
mod ctl;
mod explain;
mod import;
mod man;
mod protocols;
mod reload;
mod replay;
mod serve;
mod version;
mod websockify;

use clap::Subcommand;

use crate::exit::Exit;
use crate::log::{self, Settings};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // Boxed: `serve` and `websockify` have far more flags than the others.
    Serve(Box<serve::ServeCommand>),
    Capture(capture::Capture),
    #[cfg(feature = "tls")]
    Cert(cert::Cert),
    Check(check::Check),
    Completions(completions::Completions),
    Config(config::Config),
    Connect(connect::Connect),
    Ctl(ctl::Ctl),
    Bench(bench::Bench),
    Explain(explain::Explain),
    Healthcheck(ctl::Healthcheck),
    Import(import::Import),
    Man(man::Man),
    Protocols(protocols::Protocols),
    Reload(reload::Reload),
    Replay(replay::Replay),
    Status(ctl::Status),
    Top(ctl::Top),
    Version(version::Version),
    Websockify(Box<websockify::Websockify>),
}

impl Command {
    /// The default log level, if `RUST_LOG` is unset. The terminal of an interactive client is kept
    /// free of messages.
    pub(crate) fn log_level(&self) -> &'static str {
        match self {
            Self::Websockify(websockify) if websockify.is_verbose() => "debug",
            Self::Serve(_) | Self::Capture(_) | Self::Websockify(_) => log::SERVING,
            _ => "warn",
        }
    }

    /// The log settings, for options that the command line does not set.
    pub(crate) fn log_settings(&self) -> Settings {
        match self {
            Self::Serve(serve) => serve.log_settings(),
            _ => Settings::default(),
        }
    }

    /// Runs the command. `command_line` is for completions and manual pages.
    pub(crate) fn run(self, command_line: fn() -> clap::Command) -> Exit {
        match self {
            Self::Serve(serve) => serve.run(),
            Self::Capture(capture) => capture.run(),
            #[cfg(feature = "tls")]
            Self::Cert(cert) => cert.run(),
            Self::Check(check) => check.run(),
            Self::Completions(completions) => completions.run(command_line()),
            Self::Config(config) => config.run(),
            Self::Connect(connect) => connect.run(),
            Self::Ctl(ctl) => ctl.run(),
            Self::Bench(bench) => bench.run(),
            Self::Explain(explain) => explain.run(),
            Self::Healthcheck(healthcheck) => healthcheck.run(),
            Self::Import(import) => import.run(),
            Self::Man(man) => man.run(command_line()),
            Self::Protocols(protocols) => protocols.run(),
            Self::Reload(reload) => reload.run(),
            Self::Replay(replay) => replay.run(),
            Self::Status(status) => status.run(),
            Self::Top(top) => top.run(),
            Self::Version(version) => version.run(),
            Self::Websockify(websockify) => websockify.run(),
        }
    }
}
