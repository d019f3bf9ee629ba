//! The version of TLS that a client speaks.

/// The version of TLS that a client speaks, for the log: in the [extensions](crate::Peer::extensions) of
/// the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsVersion(pub(crate) &'static str);
