//! `polysock check`.

use std::path::PathBuf;

use clap::Args;

use crate::config::Config;
use crate::exit::Exit;
use crate::serving::{Acceptors, check_auth, check_sessions};

/// Say what is wrong with a configuration file
///
/// Ends with 0 where `polysock serve --config FILE` could use it, warnings or not, and with 78 where
/// it could not.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The file
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
