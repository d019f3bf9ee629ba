//! The response that refuses a handshake.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::error::HandshakeError;
use crate::fields::Fields;
use crate::http::HeadWriter;
use crate::protocol::Protocol;

/// An HTTP response that refuses a handshake and closes the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status.
    pub status: u16,
    /// Further fields.
    pub fields: Fields,
    /// The body: a text for people, unless the fields give another content type.
    pub body: Bytes,
    /// The reason for the log, if it says more than the client may know; never sent.
    pub cause: Option<String>,
}

impl Rejection {
    /// Creates a refusal with a line of text for people.
    pub fn new(status: u16, reason: impl fmt::Display) -> Self {
        Self {
            status,
            fields: Fields::new(),
            body: format!("{reason}\n").into(),
            cause: None,
        }
    }

    /// Sets the reason that is logged instead of the text that is sent to the client.
    #[must_use]
    pub fn because(self, cause: impl fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..self
        }
    }

    /// Returns the text for the log: the cause, or else the text that is sent to the client. Empty
    /// if the body is not such a text.
    pub fn reason(&self) -> &str {
        if let Some(cause) = &self.cause {
            return cause;
        }
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        let is_other = self.fields.has("content-type");
        if is_other { "" } else { text.trim_end() }
    }

    /// Creates the response to a request that can be served only some seconds later (RFC 9110
    /// §10.2.3).
    pub fn unavailable(reason: impl fmt::Display) -> Self {
        let mut rejection = Self::new(503, reason);
        rejection.fields.append("Retry-After", RETRY_AFTER);
        rejection
    }

    /// Creates the response to a request over a limit of requests per second (RFC 6585 §4).
    pub fn too_many(reason: impl fmt::Display) -> Self {
        let mut rejection = Self::new(429, reason);
        rejection.fields.append("Retry-After", "1");
        rejection
    }

    /// Creates the response to a request of HTTP/1 that is incomplete at its deadline (RFC 9110
    /// §15.5.9).
    pub fn timeout() -> Self {
        Self::new(408, "the request was not complete in time")
    }

    /// Creates the response that refuses a handshake, for a server with these protocols.
    pub fn of(error: &HandshakeError, protocols: &[&'static dyn Protocol]) -> Self {
        let mut rejection = Self::new(error.status(), error);
        if let HandshakeError::Method = error {
            rejection.fields.append("Allow", "GET");
        }
        let is_meant = |protocol: &&&'static dyn Protocol| {
            *error != HandshakeError::StreamVersion || protocol.is_spoken_on_streams()
        };
        let protocols: Vec<_> = protocols.iter().filter(is_meant).copied().collect();
        let versions = versions(&protocols);
        let versioned = matches!(
            error,
            HandshakeError::Version
                | HandshakeError::StreamVersion
                | HandshakeError::Draft
                | HandshakeError::MalformedVersion
                | HandshakeError::Disabled(_)
                | HandshakeError::Key
        );
        if let Some(versions) = versions.filter(|_| versioned) {
            rejection.fields.append("Sec-WebSocket-Version", versions);
        }
        if rejection.status == 426 {
            // RFC 9110 §15.5.22: a 426 names the protocol to upgrade to.
            rejection.fields.append("Upgrade", "websocket");
        }
        rejection
    }

    /// Appends the response to `dst`.
    pub fn write(&self, dst: &mut BytesMut) {
        let connection = if self.status == 426 {
            "Upgrade, close"
        } else {
            "close"
        };
        let is_text = !self.body.is_empty() && !self.fields.has("content-type");
        let text = is_text.then_some(("Content-Type", "text/plain; charset=utf-8"));
        // RFC 9110 §8.6: in a 304, it would be the length of the unchanged content.
        let length = (self.status != 304).then(|| self.body.len().to_string());
        HeadWriter::new(
            dst,
            &format!("HTTP/1.1 {} {}", self.status, reason(self.status)),
        )
        .field("Connection", connection)
        .fields(self.fields.iter())
        .fields(text)
        .optional("Content-Length", length)
        .finish();
        dst.extend_from_slice(&self.body);
    }
}

/// Returns the `Sec-WebSocket-Version` list of a refusal, newest first; `None` if no enabled
/// protocol has a version.
fn versions(protocols: &[&'static dyn Protocol]) -> Option<String> {
    let versions = protocols
        .iter()
        .rev()
        .filter_map(|protocol| protocol.version());
    let list: Vec<String> = versions.map(|version| version.to_string()).collect();
    (!list.is_empty()).then(|| list.join(", "))
}

/// Returns the reason phrase of a status (RFC 9110 §15).
fn reason(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Refused",
    }
}

/// The value of `Retry-After`, in seconds.
const RETRY_AFTER: &str = "5";
