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
//!   error · settings          what can fail, what can be told
//!   outlet                    a socket that is lent to those who publish
//!   transport · shutdown      byte streams and how they end; who tells connections to go
//!   buffers · access_log      what the connections of a thread share; a line at open and close
//!   link · rewind             a transport with its buffers; one that was read from already
//!   connection · http2        messages in and out, and pieces of them; the streams of HTTP/2
//!   broadcast                 messages from anywhere to many connections
//!   handshake                 an opening handshake that waits for an answer
//!   sniffer                   what a connection is, by its first bytes
//!   application · upstream    what serves connections; what stands behind a gateway
//!   apps · http               echo, chat, broadcast, relay; ordinary HTTP on the same port
//!   listener                  sockets that listen
//!   gateway                   accepting, and handing on
//!   worker                    threads with a runtime each
//!   fixture                   recorded sessions: a format to read, capturing, playing, importing them
//!   cli                       the program's command line (not in the library)
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

mod access_log;
mod application;
pub mod apps;
mod broadcast;
mod buffers;
mod connection;
mod error;
pub mod fixture;
mod gateway;
mod handshake;
mod http;
mod http2;
mod link;
mod listener;
mod outlet;
mod rewind;
mod settings;
mod shutdown;
mod sniffer;
mod transport;
pub mod upstream;
mod worker;

pub use polysock_protocols as protocols;
pub use polysock_protocols::{
    Accept, BinaryOverText, Capabilities, Close, CloseCode, Closed, Compression, Fields, Kind,
    Message, MessageRef, Piece, PieceRef, Rejection, Request, Side, Window,
};

pub use self::access_log::Traffic;
pub use self::application::Application;
pub use self::broadcast::{Broadcast, Overflow, Queue, Subscription};
pub use self::connection::{Answers, Connection};
pub use self::error::{BoxError, ConnectionError};
pub use self::gateway::{Drained, Gateway};
pub use self::handshake::Handshake;
pub use self::http::Pages;
pub use self::settings::{Origins, Settings};
pub use self::transport::Transport;
pub use self::worker::Workers;

/// Bytes that nobody can predict, for masking keys and nonces.
fn entropy(bytes: &mut [u8]) {
    rand::Rng::fill(&mut rand::rng(), bytes);
}

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
