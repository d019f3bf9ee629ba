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
//! The design rests on three ideas. *A protocol is a value in a list*: the protocol recognises,
//! answers and dials opening handshakes and creates a codec, and no other code knows its name.
//! *Common behaviour is written once*, above the codecs, in the session. *There is one connection
//! type*: a browser on Hixie-76 and a plain TCP upstream are both a [`Connection`], and a relay joins
//! two of them.
//!
//! # Code map
//!
//! A module imports only from the lines above its own; `tests/tidy.rs` checks it.
//!
//! ```text
//!   error · random     errors; unpredictable bytes
//!   jwt                the cryptography of tokens
//!   stamp              detects changes of a file
//!   telemetry          access log, throttled warnings, metrics
//!   transport          byte streams, their peers, and how they are closed
//!   connection         the connection type: messages in and out, whole or in pieces; budget; registry
//!   handshake          an opening handshake that waits for its answer
//!   broadcast          messages from any task to many connections
//!   push               channels, and the publications on them, on this node and on others
//!   http               ordinary requests and upgrades of HTTP/1, streams of HTTP/2
//!   upstream           the servers behind a gateway: one target, several, or one that the client names
//!   apps               the trait Application; echo, chat, broadcaster, relay, pages, proxy, files, components, WAMP
//!   route              selects the site of a request by host, path, page and client; access policies
//!   axum               an axum router next to an application, or around it
//!   server             the port: listeners, admission, first bytes, opening, shutdown
//! ```
//!
//! The protocols are in the crate [`polysock_protocols`], behind the trait
//! [`Protocol`](protocols::Protocol). `polysock-instrument` captures, replays and explains
//! connections, `polysock-web` reads the sessions of web apps and connects to message buses, and
//! `polysock-cli` is the program.
//!
//! # The life of a connection
//!
//! ```text
//!   listener ──▶ opening ──▶ sites ──▶ open ──▶ Handshake ──▶ Application ──accept──▶ Connection
//!    accepts     reads the   choose    validates             answers with a Reply
//!                head                                        that knows the carrier
//! ```
//!
//! A worker accepts the socket and spawns one task, which owns the connection from then on. If the
//! first bytes are TLS, opening starts again on the decrypted stream. Opening reads into one buffer
//! until the head is complete, and decides what the connection is; `server/serving.rs` handles each
//! outcome.
//!
//! For a WebSocket, one of the enabled protocols recognises the head, the head selects a site, and
//! the protocol validates the head against the settings of the site. The [`Application`] receives a
//! [`Handshake`]. Accepting it writes the answer and creates a [`Connection`] over the same buffer,
//! so no early byte is lost. Ordinary requests go to the [`Service`] of the site, one head at a
//! time, because a WebSocket may follow them. Each stream of an HTTP/2 connection is a transport
//! with its own task, and its WebSockets are accepted in the same way.
//!
//! # Invariants
//!
//! - No input causes a panic, and no memory is reserved for data that was only announced.
//! - All state of a connection is in the `Connection`: dropping a future loses nothing.
//! - An idle connection holds no buffer, and all connections together stay within their budget.
//! - While 64 KiB of output wait to be sent, an application receives no new message, and a relay
//!   reads none for that side. A message that is already arriving in pieces continues.
//! - Every wait for a peer has a deadline, except the wait for messages of an open connection.
//! - The relay and the instrument use only the public API.
//!
//! # Lexicon
//!
//! | word | meaning |
//! |---|---|
//! | frame, fragment, close code, subprotocol | as in RFC 6455 |
//! | opening | the phase of a connection up to the head of its handshake |
//! | codec | turns the bytes of one protocol into events, and back |
//! | session | the behaviour that all protocols share, above the codec: pongs, closing, limits, timers |
//! | budget | the memory limit of all connections together |
//! | piece | a run of bytes out of a message, cut at any place |
//! | borrowed message | a short message, returned as a slice of the read buffer |
//! | transport | a byte stream in both directions |
//! | shared writer | the write half of a socket, shared between a connection and a broadcast |
//! | component, client | an application in the shape of Ratchet's, which receives events; a client of it |
//! | mailbox | the ordered queue of messages to one client |
//! | reply | the carrier of the answer to a handshake: an upgrade, or a stream of HTTP/2 |
//! | row, registry | the public state of one open connection; all rows, and the totals since the start |
//! | peer | the other end of a connection, with everything that the lower layers know of it |
//! | held request | an ordinary request that stays open for publications on its channels |
//! | site | an application, its pages, and the settings for the clients of both |
//! | upstream | a server behind a gateway |
//! | target | one of several upstreams; each client is connected to one |
//! | relay | the application that joins a client to an upstream |
//! | linger | to wait after the last byte until the peer has closed |
//! | rewind | to replay bytes that were already read |
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
