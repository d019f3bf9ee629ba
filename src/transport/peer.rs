//! The peer of a connection.

use std::borrow::Cow;
use std::net::SocketAddr;

#[cfg(feature = "tls")]
use super::tls::Encryption;
use super::{Authenticated, SessionVariables};
use crate::telemetry::{ConnectionId, TlsVersion};

pub use hyper::http::Extensions;

/// The facts that the layers below an application have found about a client. The listener adds the
/// address, a PROXY header the address behind a proxy, TLS the fact that the connection is secure.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The identifier of the connection. A gateway assigns one if it is unset.
    pub id: ConnectionId,
    /// The address that the client connects from; `None` if its transport has none.
    pub address: Option<SocketAddr>,
    /// The address that the connection was accepted on; `None` if its transport has none.
    pub local: Option<SocketAddr>,
    /// True if pages use `wss://`: TLS ends here, or at a trusted proxy.
    pub secure: bool,
    /// Further facts, by type.
    pub extensions: Extensions,
}

impl Peer {
    /// Returns the name of the transport of a WebSocket. `is_stream` means a stream of HTTP/2.
    pub(crate) fn carrier(&self, is_stream: bool) -> &'static str {
        let is_tls = self.extensions.get::<TlsVersion>().is_some();
        match (is_stream, is_tls, self.address) {
            (true, true, _) => "h2",
            (true, false, _) => "h2c",
            (false, true, _) => "tls",
            (false, false, Some(_)) => "tcp",
            (false, false, None) => "unix",
        }
    }

    /// Returns the value of one of the [`VARIABLES`]; `None` if it is not known.
    pub(crate) fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(authenticated) = self.extensions.get::<Authenticated>()
            && let Some(value) = authenticated.variable(name)
        {
            return Some(value.into());
        }
        if let Some(session) = self.extensions.get::<SessionVariables>()
            && let Some(value) = session.variable(name)
        {
            return Some(value.into());
        }
        #[cfg(feature = "tls")]
        if let Some(encryption) = self.extensions.get::<Encryption>() {
            let client = encryption.client();
            let value = match name {
                "tls.version" => Some(encryption.version()),
                "tls.cipher_suite" => Some(encryption.cipher_suite()),
                "tls.server_name" => encryption.server_name(),
                "tls.client" => client.map(|client| &*client.distinguished_name),
                "tls.client_name" => client.and_then(|client| client.common_name.as_deref()),
                _ => None,
            };
            return value.map(Cow::Borrowed);
        }
        let _ = name;
        None
    }
}

/// The variables that describe a peer.
pub(crate) const VARIABLES: &[&str] = &[
    "tls.client",
    "tls.client_name",
    "tls.version",
    "tls.cipher_suite",
    "tls.server_name",
    "auth.user",
    "auth.claim.NAME",
    "auth.field.NAME",
    "session.PATH",
];

/// True if this is one of the [`VARIABLES`], with an actual name in place of `NAME` or `PATH`.
pub(crate) fn is_variable(name: &str) -> bool {
    (name.starts_with("tls.") && VARIABLES.contains(&name))
        || Authenticated::is_variable(name)
        || SessionVariables::is_variable(name)
}
