//! Who is at the other end.

use std::borrow::Cow;
use std::net::SocketAddr;

#[cfg(feature = "tls")]
use super::tls::Encryption;
use super::{Authenticated, SessionVariables};
use crate::telemetry::{ConnectionId, TlsVersion};

pub use hyper::http::Extensions;

/// What the layers below an application have found out of a client. Each of them adds what it
/// knows: the listener its address, a proxy's header the address behind it, TLS that it is secure.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// What its connection is called. A gateway gives it a name where it has none.
    pub id: ConnectionId,
    /// The address it connects from, where its transport has one.
    pub address: Option<SocketAddr>,
    /// The address that it was accepted on.
    pub local: Option<SocketAddr>,
    /// Whether a page sees `wss://`: TLS ends here, or at a proxy that is trusted.
    pub secure: bool,
    /// What else there is to know, by its type.
    pub extensions: Extensions,
}

impl Peer {
    /// What carries a WebSocket of this peer: one on a stream of HTTP/2, or a connection of its own.
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

    /// What one of the [`VARIABLES`] stands for; `None` where it is not known.
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

/// What can be said of a peer.
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

/// Whether this is one of the [`VARIABLES`], with a name of its own for `NAME` or `PATH`.
pub(crate) fn is_variable(name: &str) -> bool {
    (name.starts_with("tls.") && VARIABLES.contains(&name))
        || Authenticated::is_variable(name)
        || SessionVariables::is_variable(name)
}
