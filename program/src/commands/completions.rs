//! `polysock completions`.

use std::io::Write;

use clap::Args;
use clap_complete::{Shell, generate};

use crate::exit::Exit;

/// Print the completion script for a shell
///
/// For bash: `polysock completions bash > /usr/share/bash-completion/completions/polysock`.
/// Packages already contain it.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// Shell to complete in
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut command_line: clap::Command) -> Exit {
        // The crate panics on a closed pipe when it writes by itself.
        let mut script = Vec::new();
        generate(self.shell, &mut command_line, "polysock", &mut script);
        match std::io::stdout().write_all(&script) {
            Ok(()) => Exit::Ok,
            Err(_) => Exit::Failed,
        }
    }
}
