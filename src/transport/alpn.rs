//! The protocol that a client offers by ALPN.

/// The protocol that a client offers by ALPN (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alpn {
    /// HTTP/1.1, and WebSockets over it.
    Http,
    /// No protocol is offered: raw bytes.
    Unsaid,
}
