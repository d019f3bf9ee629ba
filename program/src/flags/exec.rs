//! The flags of processes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values;

/// The flags of processes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Processes, for exec:COMMAND or --")]
pub(crate) struct ExecFlags {
    /// Framing of messages in the input and the output of a process
    #[arg(long, value_enum, value_name = "FRAMING", default_value_t = ExecFraming::Line)]
    pub(crate) exec_framing: ExecFraming,

    /// Treat the output of a process as binary messages instead of text
    #[arg(long)]
    pub(crate) exec_binary: bool,

    /// Run one process for all clients, and send its output to each of them
    #[arg(long)]
    pub(crate) exec_shared: bool,

    /// Working directory of a process [default: the current directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) exec_dir: Option<PathBuf>,

    /// Variable to set in the environment of a process, in addition to PATH and the CGI variables
    /// of its client. Repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) exec_env: Vec<(String, String)>,

    /// Name of a variable to pass on from the environment of polysock to a process. Repeatable, or
    /// a comma-separated list
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = name)]
    pub(crate) exec_pass_env: Vec<String>,

    /// Maximum number of processes, or `none`. Further clients receive 503
    #[arg(long, value_name = "COUNT", value_parser = values::count, default_value = "1024")]
    pub(crate) exec_max_processes: usize,

    /// Time that a process has to end after SIGTERM before it is killed
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "5s")]
    pub(crate) exec_grace: Duration,
}

/// The framing of messages in a byte stream.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExecFraming {
    /// Each line is a message
    Line,
    /// A NUL byte ends each message
    Nul,
    /// Each message follows its length in four bytes, the most significant first
    Length,
    /// No framing: each read is a binary message
    Stream,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((self::name(name)?, value.to_owned()))
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('=') {
        return Err("a variable name must not be empty or contain `=`".into());
    }
    Ok(text.to_owned())
}
