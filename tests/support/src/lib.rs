//! Helpers that the tests of several packages share: the program as a process, clients of every
//! kind, and servers and relays around them.
//!
//! Every wait is bounded by [`PATIENCE`] or less, and the test fails when the bound is reached.
//!
//! ```text
//! process        a process and all lines that it prints
//! program        the program: run to its end, or a server
//! server         a process that listens
//! alone          a test that runs in a separate process
//! peers          third-party clients and servers
//! opening        opening handshakes as text, and functions for the heads of answers
//! frame          frames as bytes
//! client         a client of raw bytes
//! wire_peer      either side of a connection in any protocol, event by event
//! closing        how connections end: a table, and the peers in it
//! member         the same message by message, over any transport
//! dial           a client of the library
//! gateway        a server of the library
//! grip           a web app behind WebSocket-over-HTTP
//! zmq            a ZeroMQ peer that publishes
//! http2          a client of HTTP/2
//! hostile        a client of HTTP/2 that sends arbitrary frames
//! tcp            servers of plain TCP
//! authority      certificates made for a test
//! tls            a client of raw bytes over TLS
//! tls_server     a TLS server in front of a plain TCP server
//! middle         a relay between a client and a server that records all bytes
//! packets        packet captures, built by hand
//! corpus         the recorded sessions of compat-fixtures
//! ```
#![allow(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    missing_debug_implementations,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

pub mod alone;
#[cfg(feature = "tls")]
pub mod authority;
pub mod client;
pub mod closing;
pub mod corpus;
pub mod dial;
pub mod frame;
pub mod gateway;
pub mod grip;
pub mod hostile;
pub mod http2;
pub mod member;
pub mod middle;
pub mod opening;
pub mod packets;
pub mod peers;
pub mod process;
pub mod program;
pub mod server;
pub mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tls")]
pub mod tls_server;
pub mod wire_peer;
pub mod zmq;

/// The time limit of any single wait.
pub const PATIENCE: Duration = Duration::from_secs(20);
