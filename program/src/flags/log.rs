//! The flags of the log.

use std::path::PathBuf;

use clap::Args;

use crate::log::{Access, Format, Settings};

/// The flags of the log: its format, contents and files.
#[derive(Args, Debug)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LogFlags {
    /// Format of log lines: text, json, ecs or clf [default: that of the configuration file, or
    /// text]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    log_format: Option<Format>,

    /// File to append the log to; SIGUSR1 reopens it
    #[arg(long, global = true, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// File to append the log lines of connections and requests to, `-` for standard output, or
    /// `off` for none [default: the same log]
    #[arg(long, global = true, value_name = "FILE|-|off", value_parser = access)]
    access_log: Option<Access>,

    /// Log the query values of targets, which are replaced by *** otherwise
    #[arg(long, global = true)]
    log_query: bool,
}

impl LogFlags {
    /// Returns the settings of a configuration, overridden by the flags.
    pub(crate) fn over(&self, configured: &Settings) -> Settings {
        let configured = configured.clone();
        Settings {
            format: self.log_format.or(configured.format),
            file: self.log_file.clone().or(configured.file),
            access: self.access_log.clone().or(configured.access),
            query: self.log_query || configured.query,
            level: configured.level,
            otlp: configured.otlp,
        }
    }
}

/// Parses the destination of an access log.
fn access(text: &str) -> Result<Access, String> {
    match text {
        "" => Err("write a file, - or off".to_owned()),
        "off" => Ok(Access::Off),
        "-" => Ok(Access::Stdout),
        path => Ok(Access::File(path.into())),
    }
}
