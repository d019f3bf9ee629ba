//! How a connection has ended.

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ending {
    /// The protocol that it spoke.
    pub protocol: &'static str,
    /// Who has ended it: `client`, `server` or `upstream`.
    pub by: &'static str,
    /// The close code; 1005 for none, 1006 where there was no closing handshake (RFC 6455 §7.1.5).
    pub code: u16,
    /// Whether the closing handshake was completed.
    pub clean: bool,
}
