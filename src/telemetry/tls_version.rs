//! The TLS version of a client.

/// The TLS version of a client, for the log. Stored in the [extensions](crate::Peer::extensions) of
/// the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsVersion(pub(crate) &'static str);
