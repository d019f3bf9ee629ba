//! The errors of connecting to an upstream, and of its URL.

use std::io;
use std::time::Duration;

use polysock_protocols::DialError;
use thiserror::Error;

use super::Refusal;
use crate::error::ConnectionError;
#[cfg(feature = "tls")]
use crate::transport::tls::TlsError;

/// The reason why a client could not be connected to an upstream, or got no answer from it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The address cannot be connected to.
    #[error("cannot connect to {address}: {error}")]
    Connect {
        /// The address.
        address: String,
        /// The error of the system.
        error: io::Error,
    },
    /// The process cannot be started.
    #[error("cannot start {program}: {error}")]
    Start {
        /// The program.
        program: String,
        /// The error of the system.
        error: io::Error,
    },
    /// The maximum number of processes is running.
    #[error("all {limit} processes are in use")]
    Full {
        /// The maximum.
        limit: usize,
    },
    /// The server refused the opening handshake. Its answer may be passed on.
    #[error("upstream: the server answered with {}", .0.response)]
    Refused(Box<Refusal>),
    /// The opening handshake failed.
    #[error("upstream: {0}")]
    Handshake(#[from] DialError),
    /// The client requests a path that leads out of the path in the upstream's URL.
    #[error("the path has a segment `..`")]
    Path,
    /// The upstream was connected, and its connection failed.
    #[error("the connection to the upstream failed: {0}")]
    Lost(#[source] ConnectionError),
    /// The transport failed during the opening handshake.
    #[error("upstream: {0}")]
    Io(#[from] io::Error),
    /// The upstream did not answer in time.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// No target of a group is available.
    #[error("no target is available")]
    NoTarget {
        /// The time after which the client may try again.
        retry_after: Duration,
    },
    /// The client's token is unknown, or it has none.
    #[error("no target has this token")]
    UnknownToken,
    /// The values from the request cannot be filled into the URL of the upstream.
    #[error("the request names an invalid target")]
    Captured,
    /// None of the upstream's addresses is in the networks that may be dialled.
    #[error("the upstream is in none of the allowed networks")]
    NotAllowed,
    /// The connection failed before an ordinary request was answered, or the answer is not HTTP.
    #[error("upstream: {0}")]
    Http(#[source] hyper::Error),
    /// The answer to an ordinary request cannot be passed on.
    #[error("upstream: {0}")]
    BadAnswer(&'static str),
    /// TLS with the upstream failed.
    #[cfg(feature = "tls")]
    #[error("TLS with {address} failed: {error}")]
    Tls {
        /// The address.
        address: String,
        /// The error of TLS.
        #[source]
        error: TlsError,
    },
    /// The upstream cannot serve this request, for this reason.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// An error in the URL of an upstream. The secrets of the URL are replaced with `***`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme belongs to no kind of upstream.
    #[error(
        "`{0}` is not an upstream: write tcp://HOST:PORT, unix:PATH, http://HOST:PORT/PATH, \
         exec:COMMAND, ws://HOST:PORT/PATH, ws+auto://HOST:PORT/PATH or \
         ws+PROTOCOL://HOST:PORT/PATH, such as ws+hixie76://; with TLS, tls://, https:// and \
         wss:// replace tcp://, http:// and ws://"
    )]
    Scheme(String),
    /// The URL asks for TLS, which this build does not have.
    #[cfg(not(feature = "tls"))]
    #[error("`{0}`: this polysock was built without TLS: put a proxy with TLS in between")]
    Tls(String),
    /// The protocol in `ws+PROTOCOL://` is unknown.
    #[error("`{0}` is not a protocol: write it without the hyphen, such as hixie76")]
    Protocol(String),
    /// The rest of the URL is invalid.
    #[error("`{url}`: {problem}")]
    Address {
        /// The URL.
        url: String,
        /// The reason.
        problem: &'static str,
    },
}
