//! The flags of processes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values;

/// How the processes of a command are run.
#[derive(Args, Debug)]
#[command(next_help_heading = "Processes, behind exec:COMMAND or --")]
pub(crate) struct ExecFlags {
    /// How messages stand in what a process reads and writes
    #[arg(long, value_enum, value_name = "FRAMING", default_value_t = ExecFraming::Line)]
    pub(crate) exec_framing: ExecFraming,

    /// What a process writes are binary messages, not texts
    #[arg(long)]
    pub(crate) exec_binary: bool,

    /// One process for all clients: what it writes goes to each of them
    #[arg(long)]
    pub(crate) exec_shared: bool,

    /// The directory that a process starts in [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub(crate) exec_dir: Option<PathBuf>,

    /// A variable for the environment of a process, which has PATH and what CGI says of its client.
    /// Repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) exec_env: Vec<(String, String)>,

    /// The name of a variable that a process has from the environment of polysock. Repeatable, or
    /// names with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = name)]
    pub(crate) exec_pass_env: Vec<String>,

    /// The most processes at a time, or `none`; who comes then gets 503
    #[arg(long, value_name = "COUNT", value_parser = values::count, default_value = "1024")]
    pub(crate) exec_max_processes: usize,

    /// How long a process may take to end after SIGTERM before it is killed
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "5s")]
    pub(crate) exec_grace: Duration,
}

/// How messages stand in a stream.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExecFraming {
    /// A line is a message
    Line,
    /// A NUL ends a message
    Nul,
    /// Four bytes before a message say how long it is, the highest first
    Length,
    /// There are only bytes: each read is a binary message
    Stream,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((self::name(name)?, value.to_owned()))
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('=') {
        return Err("the name of a variable is not empty, and has no `=`".into());
    }
    Ok(text.to_owned())
}
