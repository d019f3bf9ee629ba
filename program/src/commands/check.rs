//! `polysock check`.

use std::path::PathBuf;

use clap::Args;

use crate::config::Config;
use crate::exit::Exit;
use crate::serving::{Acceptors, check_auth, check_sessions};

/// Check a configuration file, and print what is wrong with it
///
/// Exit codes: 0 if `polysock serve --config FILE` could use the file, with or without warnings, 78
/// if it could not.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Configuration file to check
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

impl Check {
    pub(crate) fn run(self) -> Exit {
        match Config::load(&self.config) {
            Ok(loaded) => {
                if !loaded.warnings.is_empty() {
                    eprint!("{}", loaded.warnings);
                }
                if let Err(problem) = Acceptors::of(&loaded.config, &Acceptors::default()) {
                    return Exit::Config.with(problem);
                }
                if let Err(problem) = check_auth(&loaded.config) {
                    return Exit::Config.with(problem);
                }
                if let Err(problem) = check_sessions(&loaded.config) {
                    return Exit::Config.with(problem);
                }
                Exit::Ok
            }
            Err(error) => {
                eprint!("{error}");
                Exit::Config
            }
        }
    }
}
