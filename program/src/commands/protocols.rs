//! `polysock protocols`.

use std::io::Write;

use clap::Args;
use polysock::protocols::{CloseForm, DEFAULT_PROTOCOLS, Masking, PROTOCOLS};

use crate::exit::Exit;

/// List the protocols: wire version, software that spoke them, capabilities
#[derive(Args, Debug)]
pub(crate) struct Protocols {}

impl Protocols {
    pub(crate) fn run(self) -> Exit {
        let mut table = format!(
            "{:<10} {:>7}  {:<7} {:<6} {:<6} {:<4} {:<9} {}\n",
            "PROTOCOL", "VERSION", "DEFAULT", "MASKED", "BINARY", "PING", "CLOSE", "SPOKEN BY"
        );
        for protocol in PROTOCOLS {
            let yes = |yes: bool| if yes { "yes" } else { "no" };
            let mut default = DEFAULT_PROTOCOLS.iter().map(|default| default.name());
            let is_default = default.any(|name| name == protocol.name());
            let carries = protocol.capabilities();
            let close = match carries.close {
                CloseForm::Eof => "none",
                CloseForm::Bare => "no code",
                CloseForm::Code => "code",
            };
            let version = protocol
                .version()
                .map_or("-".to_owned(), |version| version.to_string());
            table += &format!(
                "{:<10} {:>7}  {:<7} {:<6} {:<6} {:<4} {:<9} {}\n",
                protocol.name(),
                version,
                yes(is_default),
                yes(protocol.masking() != Masking::None),
                yes(carries.binary),
                yes(carries.ping),
                close,
                protocol.spoken_by()
            );
        }
        match std::io::stdout().write_all(table.as_bytes()) {
            Ok(()) => Exit::Ok,
            Err(_) => Exit::Failed,
        }
    }
}
