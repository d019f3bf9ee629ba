//! The end of a connection.

/// The way in which a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ending {
    /// The protocol of the connection.
    pub protocol: &'static str,
    /// The side that ended it: `client`, `server` or `upstream`.
    pub by: &'static str,
    /// The close code; 1005 for none, 1006 if there was no closing handshake (RFC 6455 §7.1.5).
    pub code: u16,
    /// Whether the closing handshake was completed.
    pub clean: bool,
}
