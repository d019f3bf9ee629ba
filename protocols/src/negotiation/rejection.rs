//! An answer that refuses a handshake.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::error::HandshakeError;
use crate::fields::Fields;
use crate::http::HeadWriter;
use crate::protocol::Protocol;

/// An HTTP answer that refuses a handshake and ends the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status.
    pub status: u16,
    /// Further fields.
    pub fields: Fields,
    /// The body: a text for people, unless the fields say what else it is.
    pub body: Bytes,
    /// Why, for logs alone, where that is more than the client is to know. It is not sent.
    pub cause: Option<String>,
}

impl Rejection {
    /// A refusal with a line of text for people.
    pub fn new(status: u16, reason: impl fmt::Display) -> Self {
        Self {
            status,
            fields: Fields::new(),
            body: format!("{reason}\n").into(),
            cause: None,
        }
    }

    /// The same, of which logs say this and not what the client is told.
    #[must_use]
    pub fn because(self, cause: impl fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..self
        }
    }

    /// The text for logs: why it is so, or what the client is told; empty where the body is something else.
    pub fn reason(&self) -> &str {
        if let Some(cause) = &self.cause {
            return cause;
        }
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        let is_other = self.fields.has("content-type");
        if is_other { "" } else { text.trim_end() }
    }

    /// The answer to a request that cannot be served now, but in some seconds (RFC 9110 §10.2.3).
    pub fn unavailable(reason: impl fmt::Display) -> Self {
        let mut rejection = Self::new(503, reason);
        rejection.fields.append("Retry-After", RETRY_AFTER);
        rejection
    }

    /// The answer to one of too many requests within a second (RFC 6585 §4).
    pub fn too_many(reason: impl fmt::Display) -> Self {
        let mut rejection = Self::new(429, reason);
        rejection.fields.append("Retry-After", "1");
        rejection
    }

    /// The answer to a request of HTTP/1 that is not complete at its deadline (RFC 9110 §15.5.9).
    pub fn timeout() -> Self {
        Self::new(408, "the request was not complete in time")
    }

    /// The answer to a handshake that is refused, by a server that speaks these protocols.
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

    /// Appends the answer.
    pub fn write(&self, dst: &mut BytesMut) {
        let connection = if self.status == 426 {
            "Upgrade, close"
        } else {
            "close"
        };
        let is_text = !self.body.is_empty() && !self.fields.has("content-type");
        let text = is_text.then_some(("Content-Type", "text/plain; charset=utf-8"));
        // RFC 9110 §8.6: with a 304, it would be the length of what has not changed.
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

/// The list for `Sec-WebSocket-Version` in a refusal, newest first; `None` where no enabled
/// protocol has a version.
fn versions(protocols: &[&'static dyn Protocol]) -> Option<String> {
    let versions = protocols
        .iter()
        .rev()
        .filter_map(|protocol| protocol.version());
    let list: Vec<String> = versions.map(|version| version.to_string()).collect();
    (!list.is_empty()).then(|| list.join(", "))
}

/// The reason phrase of a status (RFC 9110 §15).
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

/// After how many seconds it is worth trying again.
const RETRY_AFTER: &str = "5";
