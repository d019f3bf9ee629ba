//! One port that speaks every WebSocket protocol ever shipped, and one connection type behind it.
//!
//! # Bird's eye
//!
//! ```text
//!           bytes                 events                     messages
//!  socket ────────▶  Codec  ────────────────▶  Session  ────────────────▶  Connection ──▶ application or upstream
//!  socket ◀────────  Codec  ◀────────────────  Session  ◀────────────────  Connection ◀── application or upstream
//!            one per protocol,       written once: pongs, closing       transport + session:
//!            pure, nom               handshake, limits, deadlines       the only I/O
//!  └────────────── crate polysock-protocols: no I/O, no clock ─────────┘└──────────── crate polysock ────────────┘
//! ```
//!
//! Three ideas carry it. *A protocol is a value in a list*: it recognises an opening handshake,
//! answers it, can also dial it, and yields a codec; nothing else knows its name. *What is the
//! same in every protocol is written once*, above the codecs, in the session. *There is one
//! connection type*: a browser on Hixie-76 and a plain TCP upstream are both a [`Connection`], and
//! a gateway is two of them, joined.
//!
//! # Code map
//!
//! A module imports only from the lines above its own; `tests/tidy.rs` checks it.
//!
//! ```text
//!   error · random            what can fail; bytes that nobody can predict
//!   telemetry                 what is told of connections: a line at open and close
//!   transport                 byte streams, and how they are let go. Knows no frames
//!   connection                the one connection type: messages in and out, and pieces of them
//!   http                      machinery: ordinary HTTP/1, and the streams of HTTP/2
//!   handshake                 an opening handshake that waits for an answer
//!   broadcast                 messages from anywhere to many connections
//!   upstream                  what stands behind a gateway
//!   apps                      what answers: the trait Application, echo, chat, broadcaster, relay
//!   server                    the port: listening, what a connection is, who serves it
//! ```
//!
//! The protocols are in the crate [`polysock_protocols`]; its `protocol` module is the seam.
//!
//! # The way of a connection
//!
//! A worker accepts it and spawns one task, its only owner from then on. The sniffer reads into
//! one buffer until the head is complete; one of the enabled protocols takes it, and the
//! [`Application`] gets a [`Handshake`]. To accept is to write the answer and to have a
//! [`Connection`], over the same buffer with whatever came early. A head that is no WebSocket's
//! goes, with the buffer, to `http`. An HTTP/2 connection goes to `http2`: each of its streams is a
//! transport like any other, with a task of its own, and its WebSockets are accepted the same way.
//!
//! # Invariants
//!
//! - Nothing a peer sends makes us panic, and nothing it only announces is reserved.
//! - All state of a connection is in the `Connection`: no future holds a cursor.
//! - An idle connection holds no buffer.
//! - While 64 KiB wait to go out, an application gets no more messages (one that it gets in pieces
//!   goes on), and a relay takes none for that side.
//! - Every wait on a peer has a deadline, but for messages of an open connection.
//!
//! # Lexicon
//!
//! *Opening handshake*, *frame*, *fragment*, *close code*, *subprotocol*: as in RFC 6455.
//! *Piece*: a run of bytes out of a message, cut anywhere. *Upstream*: what stands behind the
//! gateway. *Relay*: the application that joins a client to it. *Linger*: to wait, after the last
//! word, until the peer has hung up.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod apps;
mod broadcast;
mod connection;
mod error;
mod handshake;
mod http;
mod random;
mod server;
mod telemetry;
mod transport;
pub mod upstream;

pub use polysock_protocols as protocols;
pub use polysock_protocols::{
    Accept, BinaryOverText, Capabilities, Close, CloseCode, Closed, Compression, Fields, Kind,
    Message, MessageRef, Piece, PieceRef, Rejection, Request, Side, Window,
};

pub use self::apps::Application;
pub use self::broadcast::{Broadcast, Overflow, Queue, Subscription};
pub use self::connection::{Answers, Connection, ConnectionOptions, Forwarded, ShutdownSignal};
pub use self::error::{BoxError, ConnectionError};
pub use self::handshake::Handshake;
pub use self::http::Pages;
pub use self::server::{Drained, Gateway, Origins, Settings, StartError, Workers};
pub use self::telemetry::Traffic;
pub use self::transport::Transport;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
