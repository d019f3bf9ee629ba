//! The listeners of a command.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use polysock::{Gateway, ListenAddress, StartError, Workers};
use tracing::info;

use super::values;

/// The addresses on which a command listens.
#[derive(Args, Debug)]
pub(crate) struct ListenFlags {
    /// Address to listen on: HOST:PORT, or :PORT for all addresses. Repeatable
    #[arg(long, value_name = "ADDR", value_parser = values::address, default_value = "127.0.0.1:8080")]
    pub(crate) listen: Vec<SocketAddr>,
}

impl ListenFlags {
    /// Starts this many worker threads, which serve the gateway on these addresses. `deadline`
    /// limits the time to close connections.
    pub(crate) fn start(
        &self,
        gateway: &Gateway,
        threads: usize,
        deadline: Duration,
    ) -> Result<Workers, StartError> {
        let mut workers = Workers::start(threads, deadline)?;
        for address in &self.listen {
            let listening = workers.listen(&ListenAddress::Tcp(*address), gateway);
            if let Err(error) = listening {
                workers.stop();
                return Err(error);
            }
        }
        listening(workers.addresses());
        Ok(workers)
    }
}

/// Logs the listening addresses.
pub(crate) fn listening(addresses: impl IntoIterator<Item = impl fmt::Display>) {
    for address in addresses {
        info!("listening on {address}");
    }
}

/// Formats the reason why a start failed, with advice.
pub(crate) fn cannot_start(error: &StartError) -> String {
    let StartError::Bind { source, .. } = error else {
        return error.to_string();
    };
    let mend = match source.kind() {
        io::ErrorKind::AddrInUse => "; stop what listens there, or choose another --listen",
        io::ErrorKind::AddrNotAvailable => "; --listen must name an address of this machine",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need root or CAP_NET_BIND_SERVICE",
        _ => "",
    };
    format!("{error}{mend}")
}
