//! The proxy that a request came through.

use std::net::SocketAddr;

use bytestring::ByteString;

use super::Peer;

/// The proxy that a request came through, where its word is taken for who is behind it. It is in the
/// [extensions](super::Peer::extensions) of the peer then, whose address is the client's.
#[derive(Clone, Debug)]
pub struct TrustedHop {
    /// The proxy's own address, where its transport has one.
    pub address: Option<SocketAddr>,
    /// The host that the client asked for, where the proxy names one.
    pub host: Option<ByteString>,
}

impl TrustedHop {
    /// The host that a client asked for, where a proxy that is trusted names one.
    pub(crate) fn host_of(peer: &Peer) -> Option<&ByteString> {
        let hop = peer.extensions.get::<Self>();
        hop.and_then(|hop| hop.host.as_ref())
    }
}
