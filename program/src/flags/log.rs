//! The flags of the log.

use std::path::PathBuf;

use clap::Args;

use crate::log::{Access, Format, Settings};

/// What is logged, how, and where to.
#[derive(Args, Debug)]
#[command(next_help_heading = "The log")]
pub(crate) struct LogFlags {
    /// How log lines are written [default: what a configuration file says, or text]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    log_format: Option<Format>,

    /// Write the log to the end of this file, which SIGUSR1 has opened again
    #[arg(long, global = true, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// Write what is logged of connections and requests to the end of this file, to standard output (-),
    /// or not at all (off) [default: to the same log]
    #[arg(long, global = true, value_name = "FILE|-|off", value_parser = access)]
    access_log: Option<Access>,

    /// Show the values in the queries of targets, which are *** otherwise
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
