//! How a connection has ended.

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) protocol: &'static str,
    /// Who has ended it: `client`, `server` or `upstream`.
    pub(crate) by: &'static str,
    /// The close code; 1005 for none, 1006 where there was no closing handshake (RFC 6455 §7.1.5).
    pub(crate) code: u16,
    pub(crate) clean: bool,
}
