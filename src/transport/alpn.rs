//! What is spoken within TLS.

/// What a client says that it speaks within TLS (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alpn {
    /// HTTP/1.1, and WebSockets.
    Http,
    /// Nothing is said: bytes.
    Unsaid,
}
