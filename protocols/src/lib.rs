//! Every WebSocket protocol that was ever shipped, as state machines without I/O.
//!
//! This crate does no I/O, reads no clock and draws no random numbers: the caller passes in bytes,
//! time and entropy. The crate `polysock` adds sockets.
//!
//! # Module order
//!
//! ```text
//!   message                         the data of a connection: messages, pieces and events
//!   error · write_buf               errors; the output buffer
//!   first_bytes · fields            detection of a connection's protocol; fields added to a head
//!   flash_policy                    Flash's socket policy: the domains whose movies may connect
//!   proxy_header                    the PROXY header, in which a proxy names its client
//!   secrets                         recognition and masking of secrets in fields and parameters
//!   http · utf8 · keep_alive        heads of HTTP/1.1; UTF-8 text in pieces; dead peers
//!   forwarded                       the fields in which proxies name their clients
//!   compression                     the settings of compression
//!   protocol                        the interface: Protocol, Responder, Dialer, Codec and values
//!   raw · base64 · extension        plain streams; binary as base64 text; negotiated compression
//!   hixie                           hixie-75 and hixie-76: text between 00 and FF
//!   hybi                            the HyBi drafts: frames, at first with the keys of hixie-76
//!   rfc6455                         RFC 6455, the standard
//!   registry                        the list of protocols
//!   negotiation · session           selects a protocol by the head; the behaviour that all share
//! ```
//!
//! A module imports only from the lines above its own.
//!
//! # Where to start
//!
//! `protocol/mod.rs` defines the traits of a protocol, `hixie/hixie75.rs` is the shortest complete
//! implementation. [`Negotiation`] recognises a head, and [`Recognised::open`] makes an [`Opening`]
//! of it. The [`Responder`] in it writes the answer and returns a [`Codec`]. [`Session`] turns the
//! codec's events into messages.
//!
//! # Invariants
//!
//! No input makes this crate panic, and no memory is reserved for data that was only announced.
#![forbid(clippy::disallowed_methods, clippy::disallowed_types)]
#![warn(clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod base64;
mod compression;
mod error;
mod extension;
mod fields;
mod first_bytes;
mod flash_policy;
mod forwarded;
mod hixie;
pub mod http;
mod hybi;
mod keep_alive;
mod message;
mod negotiation;
mod protocol;
mod proxy_header;
mod raw;
mod registry;
mod rfc6455;
mod secrets;
mod session;
mod utf8;
mod write_buf;

pub use self::compression::{Compression, Window};
pub use self::error::{EncodeError, HandshakeError, HeadError, Malformed, ProtocolError};
pub use self::fields::Fields;
pub use self::first_bytes::{ClientHello, ClientHelloError, FirstBytes};
pub use self::flash_policy::{FlashDomain, flash_policy};
pub use self::forwarded::{ForwardedElement, Node};
pub use self::message::{
    Close, CloseCode, Closed, Event, Kind, Message, MessageRef, Piece, PieceRef, Side, WireForm,
};
pub use self::negotiation::{Negotiated, Negotiation, Recognised, Rejection, Rule, SHARED_RULES};
pub use self::protocol::{
    Accept, BinaryOverText, Capabilities, Challenge, CloseForm, Codec, Context, Dial, DialError,
    Dialer, Dialled, Limits, Masking, Match, Opening, PackedRequest, Protocol, Request, Responder,
    Response, Role, ShortFrames, StreamAnswer,
};
pub use self::proxy_header::{ProxiedEnds, ProxyHeader, ProxyHeaderError, ProxyVersion};
pub use self::raw::{Framing, RawCodec};
pub use self::registry::{DEFAULT_PROTOCOLS, PROTOCOLS, find_protocol};
pub use self::secrets::{SecretKind, Secrets, hide_secrets, sounds_secret};
pub use self::session::{
    SIZE_BOUNDS, SIZES, Session, SessionConfig, SharedMessage, Sizes, Sum, Sums, Timer, Watched,
    Watcher,
};
pub use self::write_buf::WriteBuf;
