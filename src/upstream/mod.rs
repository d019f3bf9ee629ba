//! What stands behind a gateway.

mod dial;
mod stream;
mod websocket;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::{Compression, DialError, Limits, Request, Response, SessionConfig};
use thiserror::Error;

pub use self::dial::dial;
pub use self::stream::{TcpUpstream, UnixUpstream};
pub use self::websocket::WebSocketUpstream;

use crate::connection::Connection;

/// A kind of thing that a gateway connects its clients to.
pub trait Upstream: fmt::Debug + Send + Sync + 'static {
    /// Connects, for a client that asks for this.
    fn connect<'a>(
        &'a self,
        request: &'a Request,
    ) -> BoxFuture<'a, Result<Connection, UpstreamError>>;

    /// The subprotocol that the client is answered with: by default, what the upstream chose.
    fn subprotocol(&self, _request: &Request, connection: &Connection) -> Option<ByteString> {
        connection.subprotocol().cloned()
    }
}

/// Why an upstream is not there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It cannot be connected to.
    #[error("cannot connect to {address}: {error}")]
    Connect {
        /// Where to.
        address: String,
        /// What went wrong.
        error: io::Error,
    },
    /// It refused the opening handshake; its answer may be passed on.
    #[error("upstream: the server answered with status {}", .0.head.status().unwrap_or_default())]
    Refused(Box<Response>),
    /// Its opening handshake failed.
    #[error("upstream: {0}")]
    Handshake(DialError),
    /// Its transport failed during the opening handshake.
    #[error("upstream: {0}")]
    Io(#[from] io::Error),
    /// It was not there in time.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// It cannot be used from here.
    #[error("{0}")]
    Unsupported(&'static str),
}

impl From<DialError> for UpstreamError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Refused(response) => Self::Refused(response),
            other => Self::Handshake(other),
        }
    }
}

/// How upstreams are treated.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamSettings {
    /// How long connecting may take, the opening handshake included.
    pub connect_timeout: Duration,
    /// What the frames of a message may take.
    pub limits: Limits,
    /// How messages are compressed where a WebSocket server accepts it; `None`, the default, does
    /// not offer it.
    pub compression: Option<Compression>,
    /// How the session behaves.
    pub session: SessionConfig,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            limits: Limits::default(),
            compression: None,
            session: SessionConfig::default(),
        }
    }
}

/// How the URL of an upstream is read; a line for each kind.
const SCHEMES: &[(&str, Parse)] = &[
    ("tcp://", |rest, settings| {
        Ok(Arc::new(TcpUpstream::parse(rest, settings)?))
    }),
    ("unix:", |rest, settings| {
        Ok(Arc::new(UnixUpstream::parse(rest, settings)?))
    }),
    ("ws://", |rest, settings| {
        Ok(Arc::new(WebSocketUpstream::parse(
            "rfc6455", rest, settings,
        )?))
    }),
    ("ws+", |rest, settings| {
        Ok(Arc::new(WebSocketUpstream::parse_named(rest, settings)?))
    }),
];

/// Reads what stands behind a scheme.
type Parse = fn(&str, UpstreamSettings) -> Result<Arc<dyn Upstream>, UrlError>;

/// What is wrong with the URL of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// No kind of upstream has this scheme.
    #[error(
        "`{0}` is no upstream; write tcp://HOST:PORT, unix:PATH, ws://HOST:PORT/PATH or \
         ws+PROTOCOL://HOST:PORT/PATH, as ws+hixie76://"
    )]
    Scheme(String),
    /// The protocol in `ws+PROTOCOL://` is unknown.
    #[error("`{0}` is no protocol; `polysock protocols` lists them (without the hyphen: hixie76)")]
    Protocol(String),
    /// The address lacks something.
    #[error("`{url}`: {problem}")]
    Address {
        /// What stands there.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The upstream of this URL.
///
/// # Errors
///
/// The URL names none.
pub fn upstream(url: &str, settings: UpstreamSettings) -> Result<Arc<dyn Upstream>, UrlError> {
    SCHEMES
        .iter()
        .find_map(|(scheme, parse)| Some(parse(url.strip_prefix(scheme)?, settings)))
        .unwrap_or_else(|| Err(UrlError::Scheme(url.to_owned())))
}
