//! Every WebSocket protocol that was ever shipped, as state machines without I/O.
//!
//! This crate does no I/O, reads no clock and draws no random numbers: the caller passes in bytes,
//! time and entropy. The crate `polysock` adds sockets.
//!
//! # Module order
//!
//! ```text
//!   message                         what is exchanged
//!   error · write_buf               what goes wrong, what goes out
//!   first_bytes · fields            what a connection is; what is added to a head
//!   flash_policy                    whose Flash movies may connect
//!   proxy_header                    for whom a proxy connects
//!   secrets                         which fields, parameters and tokens nobody should see
//!   http · utf8 · keep_alive        heads of HTTP/1.1; text in pieces; silent peers
//!   forwarded                       what proxies say of those for whom they ask
//!   compression                     how messages are compressed
//!   protocol                        the seam: Protocol, Responder, Dialer, Codec, what they say
//!   raw · base64 · extension        plain streams; binary over text; compression, negotiated
//!   hixie                           the protocols: text between 00 and FF,
//!   hybi                            the frames of the drafts, at first with the keys of hixie,
//!   rfc6455                         and the standard that came of them
//!   registry                        the list of them
//!   negotiation · session           choose one by its head; what is the same in all of them
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
