//! `polysock config`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::{self, reference, schema};
use crate::exit::Exit;

/// Print configurations: every key and its default, what a file says, a schema for editors
#[derive(Args, Debug)]
pub(crate) struct Config {
    #[command(subcommand)]
    print: Print,
}

#[derive(Debug, Subcommand)]
enum Print {
    /// A file with every key, what it means, and its default
    Default,
    /// What is in force with a file, secrets masked
    Show {
        /// The file; without it, what is in force where nothing is said
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// The JSON schema of the file, for editors
    Schema,
}

impl Config {
    pub(crate) fn run(self) -> Exit {
        let text = match self.print {
            Print::Default => reference(),
            Print::Schema => format!("{:#}\n", schema()),
            Print::Show { config: None } => config::Config::default().to_string(),
            Print::Show { config: Some(file) } => match config::Config::load(&file) {
                Ok(loaded) => loaded.config.to_string(),
                Err(error) => {
                    eprint!("{error}");
                    return Exit::Config;
                }
            },
        };
        match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => Exit::Ok,
            Err(_) => Exit::Failed,
        }
    }
}
