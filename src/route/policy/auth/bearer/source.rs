//! The places in a request that may contain a token.

use std::str::FromStr;

use polysock_protocols::Rejection;
use polysock_protocols::http::is_token;
use thiserror::Error;

use crate::route::policy::Visitor;
use crate::route::policy::auth::challenge::credentials;

/// The place in a request that contains the token: `header`, `cookie:NAME`, `query:NAME` or
/// `subprotocol:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// `Authorization: Bearer TOKEN` (RFC 6750 §2.1).
    Header,
    /// The cookie of this name.
    Cookie(String),
    /// The query parameter of this name (RFC 6750 §2.3). Logs other than Polysock's may show it.
    Query(String),
    /// The subprotocol that is offered after this one, as `["bearer", "TOKEN"]`. A page that opens
    /// a WebSocket can set subprotocols, but no fields.
    Subprotocol(String),
}

/// The error for a text that is not a token source.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown source: write `header`, `cookie:NAME`, `query:NAME` or `subprotocol:NAME`")]
pub struct TokenSourceError;

/// A token, and the offered subprotocols that only carry it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) token: String,
    pub(super) subprotocols: Vec<String>,
}

impl TokenSource {
    /// Returns the tokens that a client has sent there.
    ///
    /// # Errors
    ///
    /// The request has more than one `Authorization` field.
    pub(super) fn tokens(&self, visitor: Visitor<'_>) -> Result<Vec<Found>, Rejection> {
        let plain = |token: String| Found {
            token,
            subprotocols: Vec::new(),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match self {
            Self::Header => {
                let token = credentials(visitor, "Bearer")?;
                token
                    .map(|token| plain(token.to_owned()))
                    .into_iter()
                    .collect()
            }
            Self::Cookie(name) => {
                let cookies = visitor.cookies(name).into_iter();
                cookies.map(|value| plain(text(value))).collect()
            }
            Self::Query(name) => {
                let values = visitor.parameters(name).into_iter();
                values.map(|value| plain(text(&value))).collect()
            }
            Self::Subprotocol(name) => {
                let offered = visitor.offered_subprotocols();
                let mut found = Vec::new();
                let mut offered = offered.into_iter();
                while let Some(first) = offered.next() {
                    if first != name {
                        continue;
                    }
                    let token = offered.next().unwrap_or_default();
                    found.push(Found {
                        token: token.to_owned(),
                        subprotocols: vec![first.to_owned(), token.to_owned()],
                    });
                }
                found
            }
        })
    }
}

impl FromStr for TokenSource {
    type Err = TokenSourceError;

    fn from_str(text: &str) -> Result<Self, TokenSourceError> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "header" if !text.contains(':') => Ok(Self::Header),
            "query" if !name.is_empty() => Ok(Self::Query(name.to_owned())),
            "cookie" if is_token(name) => Ok(Self::Cookie(name.to_owned())),
            "subprotocol" if is_token(name) => Ok(Self::Subprotocol(name.to_owned())),
            _ => Err(TokenSourceError),
        }
    }
}

impl std::fmt::Display for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Subprotocol(name) => write!(f, "subprotocol:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_source_is_read_as_it_is_written() {
        for text in ["header", "cookie:a", "query:a b", "subprotocol:bearer"] {
            let source: TokenSource = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
        }
        for text in [
            "",
            "header:",
            "cookie",
            "cookie:",
            "cookie:a b",
            "query:",
            "subprotocol:a,b",
            "body",
        ] {
            assert_eq!(text.parse::<TokenSource>(), Err(TokenSourceError), "{text}");
        }
    }
}
