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
//! a relay is two of them, joined.
//!
//! # Code map
//!
//! A module imports only from the lines above its own; `tests/tidy.rs` checks it.
//!
//! ```text
//!   error · random     what can fail; bytes that nobody can predict
//!   jwt                the cryptography of tokens
//!   stamp              whether a file has changed
//!   telemetry          what is told of connections: a line at open and close, failures once a second, metrics
//!   transport          byte streams, who is at their other end, and how they are let go
//!   connection         the one connection type: messages in and out, whole or in pieces; its memory; which are open
//!   handshake          an opening handshake that waits for an answer
//!   broadcast          messages from anywhere to many connections
//!   push               channels, and what is published on them, here and on other nodes
//!   http               machinery: ordinary requests and upgrades of HTTP/1, streams of HTTP/2
//!   upstream           what stands behind a gateway: one target, several, or what a client names
//!   apps               what answers: the trait Application, echo, chat, broadcaster, relay, pages, proxy, files, components, WAMP
//!   route              which site a request is for, from which pages, and who is let in
//!   axum               a site of axum's beside an application, or around it
//!   server             the port: listening, who is let in, what a connection is, how it ends
//! ```
//!
//! The protocols are in the crate [`polysock_protocols`], whose [`Protocol`](protocols::Protocol) is
//! the seam. Recorded sessions of WebSockets are in `polysock-instrument`, the sessions of web apps in
//! `polysock-web`, the program in `polysock-cli`.
//!
//! # The way of a connection
//!
//! ```text
//!   listener ──▶ opening ──▶ sites ──▶ open ──▶ Handshake ──▶ Application ──accept──▶ Connection
//!    accepts     reads the   choose    validates             answers with a Reply
//!                head                                        that knows the carrier
//! ```
//!
//! Where the first bytes are TLS, opening begins again inside of it.
//!
//! A worker accepts it and spawns one task, its only owner from then on. Opening reads into one
//! buffer until the head is complete, and returns what the connection is; the gateway finishes
//! that, in one place. For a WebSocket, one of the enabled protocols recognises the head, the head
//! selects a site, and the protocol validates the head by what that site allows. The [`Application`] gets a
//! [`Handshake`]: to accept is to write the answer and to have a [`Connection`], over the same buffer
//! with whatever came early. Ordinary requests go to the site's [`Service`], one head at a time, so
//! that a WebSocket may follow them. Each stream of an HTTP/2 connection is a transport like any
//! other, with a task of its own, and its WebSockets are accepted the same way.
//!
//! # Invariants
//!
//! - Nothing a peer sends makes us panic, and nothing it only announces is reserved.
//! - All state of a connection is in the `Connection`: a future that is dropped loses nothing.
//! - An idle connection holds no buffer, and all of them together no more than their budget.
//! - While 64 KiB wait to go out, an application gets no more messages (one that it gets in pieces
//!   goes on), and a relay takes none for that side.
//! - Every wait on a peer has a deadline, but for messages of an open connection.
//! - The relay and the instrument use nothing but the public API.
//!
//! # Lexicon
//!
//! | word | what it means here |
//! |---|---|
//! | frame, fragment, close code, subprotocol | as in RFC 6455 |
//! | opening | finding out what a connection is, up to the head of its handshake |
//! | codec | what turns the bytes of one protocol into events and back |
//! | session | what is the same in all protocols, above the codec: pongs, closing, limits, timers |
//! | budget | the memory that all connections together may hold |
//! | piece | a run of bytes out of a message, cut anywhere |
//! | borrowed message | a short one, handed out where it lies in the buffer that was read |
//! | transport | a byte stream with two directions |
//! | shared writer | the write half of a socket, while a broadcast may write to it as well |
//! | component, client | an application that is told events, and whom it is told of |
//! | mailbox | the way to one client, in which what is sent to it keeps its order |
//! | reply | the way for the answer to a handshake: an upgrade, or a stream of HTTP/2 |
//! | row, registry | what others may know of a connection while it is open; all of them, and what is counted for ever |
//! | peer | who is at the other end, as far as the layers below have found out |
//! | held request | an ordinary request that stays open for what is published on its channels |
//! | site | an application, the pages beside it, and how both treat their clients |
//! | upstream | what stands behind a gateway |
//! | target | one of several upstreams, of which each client gets one |
//! | relay | the application that joins a client to an upstream |
//! | linger | to wait, after the last byte, until the peer has hung up |
//! | rewind | to read again what was read before |
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod apps;
#[cfg(feature = "axum")]
pub mod axum;
mod broadcast;
mod connection;
mod error;
mod handshake;
mod http;
#[cfg(any(feature = "auth", feature = "grip"))]
mod jwt;
mod push;
mod random;
mod route;
mod server;
mod stamp;
mod telemetry;
mod transport;
pub mod upstream;

pub use polysock_protocols as protocols;
pub use polysock_protocols::{
    Accept, BinaryOverText, Capabilities, Close, CloseCode, Closed, Compression, Fields, Kind,
    Message, MessageRef, Piece, PieceRef, Rejection, Request, Side, Window,
};

pub use self::apps::{Application, Pages};
pub use self::broadcast::{Broadcast, Overflow, Queue, Subscription};
pub use self::connection::{
    Answers, Budget, Connection, ConnectionOptions, Forwarded, OpenConnection, Registry,
    ShutdownSignal, Tap, TapEnd, TapEvent, TapFrame, TapKind, TapSettings, TapWhat, Terms,
};
pub use self::error::{BoxError, ConnectionError};
pub use self::handshake::Handshake;
pub use self::http::{Body, Service};
pub use self::push::{
    Attendee, Audience, Channels, HeldAnswer, HeldPush, Node, NodeError, NodeState, NodeWatch,
    Present, Publication, Push, Receiving, ResponsePush, StreamPush, Tally, bus,
};
#[cfg(feature = "grip")]
pub use self::push::{GripKey, GripKeyError};
#[cfg(feature = "auth")]
pub use self::route::auth;
pub use self::route::{
    Admitted, Clients, Endpoint, Guarded, HostPattern, HostPatternError, IpBlackList, OriginCheck,
    OriginPattern, OriginPatternError, Origins, PathPattern, PathPatternError, Policy, Question,
    Route, Router, RouterError, Rule, Site, SiteConnections, SiteSettings, Sites, UserAgentPattern,
    Verdict, Visitor, Watch,
};
pub use self::server::{
    ConnectionLimits, Drained, Gateway, ListenAddress, ListeningSocket, Networks, Opened, Opener,
    PortSettings, Pulse, RateLimits, StartError, Workers,
};
pub use self::telemetry::{
    ConnectionId, ConnectionIdError, Described, Ending, HandshakeBytes, MetricFamily, MetricKind,
    Observer, Refusal, RouteName, Sample, SampleValue, TraceParent, Traffic, show_queries,
};
#[cfg(feature = "tls")]
pub use self::transport::tls;
pub use self::transport::{
    Authenticated, Extensions, Peer, SessionVariables, Transport, Trusted, TrustedError, TrustedHop,
};

/// The programs of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Those of the quick start in Rust as well.
#[cfg(doctest)]
#[doc = include_str!("../docs/start/library.md")]
struct Start;

/// And those of the way from Ratchet.
#[cfg(all(doctest, feature = "wamp"))]
#[doc = include_str!("../docs/ratchet.md")]
struct Ratchet;
