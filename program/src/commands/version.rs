//! `polysock version`.

use std::io::Write;

use clap::Args;
use polysock::protocols::PROTOCOLS;

use crate::exit::Exit;

/// Print the version, and what it was built with
#[derive(Args, Debug)]
pub(crate) struct Version {
    /// Print the TLS support and the protocols as well
    #[arg(short, long)]
    verbose: bool,
}

impl Version {
    pub(crate) fn run(self) -> Exit {
        // The same line as `--version`.
        let mut text = concat!("polysock ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
        if self.verbose {
            let protocols: Vec<_> = PROTOCOLS.iter().map(|protocol| protocol.name()).collect();
            let protocols = protocols.join(" ");
            text += &format!("tls:       {TLS}\nprotocols: {protocols}\n");
        }
        match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => Exit::Ok,
            Err(_) => Exit::Failed,
        }
    }
}

const TLS: &str = if cfg!(feature = "legacy-tls") {
    "yes (1.2 and 1.3, by rustls; 1.0 and 1.1 if configured, by s2n-tls; both with aws-lc)"
} else if cfg!(feature = "tls") {
    "yes (1.2 and 1.3, by rustls with aws-lc; not 1.0 and 1.1: built without the feature `legacy-tls`)"
} else {
    "no (built without the feature `tls`)"
};
