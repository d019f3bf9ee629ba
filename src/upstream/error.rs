//! Why an upstream is not there, and what is wrong with its URL.

use std::io;
use std::time::Duration;

use polysock_protocols::DialError;
use thiserror::Error;

use super::Refusal;
use crate::error::ConnectionError;
#[cfg(feature = "tls")]
use crate::transport::tls::TlsError;

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
    /// Its process cannot be started.
    #[error("cannot start {program}: {error}")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        error: io::Error,
    },
    /// There are as many of its processes as there may be.
    #[error("there are {limit} processes, and may be no more")]
    Full {
        /// How many there may be.
        limit: usize,
    },
    /// It refused the opening handshake; its answer may be passed on.
    #[error("upstream: the server answered with {}", .0.response)]
    Refused(Box<Refusal>),
    /// Its opening handshake failed.
    #[error("upstream: {0}")]
    Handshake(#[from] DialError),
    /// The client asks for a path that leads out of the one in the upstream's URL.
    #[error("the path has a segment `..`")]
    Path,
    /// It was there, and its connection failed.
    #[error("the upstream is lost: {0}")]
    Lost(#[source] ConnectionError),
    /// Its transport failed during the opening handshake.
    #[error("upstream: {0}")]
    Io(#[from] io::Error),
    /// It was not there in time.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// None of several targets is there.
    #[error("no target is there")]
    NoTarget {
        /// When the client may come again.
        retry_after: Duration,
    },
    /// Nothing stands behind the client's token, or it has none.
    #[error("no target has this token")]
    UnknownToken,
    /// What the client names cannot be filled into the URL of the upstream.
    #[error("the request names no target that there can be")]
    Captured,
    /// None of its addresses is in the networks that may be dialled.
    #[error("the upstream is in none of the networks that are allowed")]
    NotAllowed,
    /// Its connection failed before there was an answer to an ordinary request, or what came is no HTTP.
    #[error("upstream: {0}")]
    Http(#[source] hyper::Error),
    /// Its answer to an ordinary request cannot be passed on.
    #[error("upstream: {0}")]
    BadAnswer(&'static str),
    /// There is no TLS with it.
    #[cfg(feature = "tls")]
    #[error("no TLS with {address}: {error}")]
    Tls {
        /// Where to.
        address: String,
        /// What went wrong.
        #[source]
        error: TlsError,
    },
    /// It cannot be used from here.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// What is wrong with the URL of an upstream. URLs are held with `***` for their secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// No kind of upstream has this scheme.
    #[error(
        "`{0}` is no upstream; write tcp://HOST:PORT, unix:PATH, http://HOST:PORT/PATH, exec:COMMAND, \
         ws://HOST:PORT/PATH, ws+auto://HOST:PORT/PATH or ws+PROTOCOL://HOST:PORT/PATH, as ws+hixie76://; \
         within TLS, tls://, https:// and wss:// stand for tcp://, http:// and ws://"
    )]
    Scheme(String),
    /// The URL asks for TLS, which this build does not have.
    #[cfg(not(feature = "tls"))]
    #[error(
        "`{0}`: this polysock was built without TLS; a proxy that speaks it can stand in between"
    )]
    Tls(String),
    /// The protocol in `ws+PROTOCOL://` is unknown.
    #[error("`{0}` is no protocol (without the hyphen: hixie76)")]
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
