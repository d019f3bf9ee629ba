//! The trusted proxy in front of a client.

use std::net::SocketAddr;

use bytestring::ByteString;

use super::Peer;

/// The trusted proxy that a request came through. It is in the
/// [extensions](super::Peer::extensions) of the peer if the proxy named the client, and the peer's
/// address is then the client's.
#[derive(Clone, Debug)]
pub struct TrustedHop {
    /// The proxy's own address; `None` if its transport has none.
    pub address: Option<SocketAddr>,
    /// The host that the client requested; `None` if the proxy does not name one.
    pub host: Option<ByteString>,
}

impl TrustedHop {
    /// Returns the host that a client requested, as named by a trusted proxy.
    pub(crate) fn host_of(peer: &Peer) -> Option<&ByteString> {
        let hop = peer.extensions.get::<Self>();
        hop.and_then(|hop| hop.host.as_ref())
    }
}
