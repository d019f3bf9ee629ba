//! Who is at the other end.

use std::net::SocketAddr;

pub use hyper::http::Extensions;

/// What the layers below an application have found out of a client. Each of them adds what it
/// knows: the listener its address, a proxy's header the address behind it, TLS that it is secure.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The address it connects from, where its transport has one.
    pub address: Option<SocketAddr>,
    /// The address that it was accepted on.
    pub local: Option<SocketAddr>,
    /// Whether a page sees `wss://`: TLS ends here, or at a proxy that is trusted.
    pub secure: bool,
    /// What else there is to know, by its type.
    pub extensions: Extensions,
}
