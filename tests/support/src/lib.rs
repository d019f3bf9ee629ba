//! What the tests of several packages share: the program as a process, clients of every kind, and
//! what stands beside and between them.
//!
//! Every wait is bounded by [`PATIENCE`] or less, and what does not come by then fails the test.
//!
//! ```text
//! process        a process and all that it prints
//! program        the program: run to its end, or a server
//! server         a process that listens
//! alone          a test in a process of its own
//! peers          clients and servers of third parties
//! opening        opening handshakes as text, and what is in the head of an answer
//! frame          frames, written out
//! client         a client of bytes
//! wire_peer      either side of a connection in any protocol, by the event
//! closing        how connections end: a table, and the peers in it
//! member         the same by the message, over any transport
//! dial           a client of the library
//! gateway        a server of the library
//! grip           a web application behind WebSocket-over-HTTP
//! zmq            a peer of ZeroMQ that publishes
//! http2          a client of HTTP/2
//! hostile        the same by the frame, which sends what it likes
//! tcp            servers of plain TCP
//! authority      certificates made for a test
//! tls            a client of bytes over TLS
//! tls_server     a server of TLS before one of plain TCP
//! middle         stands between two, and records
//! packets        packet captures made by hand
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

/// The bound of any single wait.
pub const PATIENCE: Duration = Duration::from_secs(20);
