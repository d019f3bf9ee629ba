//! `polysock config`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::{self, reference, schema};
use crate::exit::Exit;

/// Print a configuration: every key and its default, the settings in force, or a schema for editors
#[derive(Args, Debug)]
pub(crate) struct Config {
    #[command(subcommand)]
    print: Print,
}

#[derive(Debug, Subcommand)]
enum Print {
    /// Print a file with every key, its meaning and its default
    Default,
    /// Print the settings in force with a file, with its secrets masked
    Show {
        /// Configuration file; without it, the defaults are printed
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the JSON schema of the file, for editors
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
