//! WAMP, version 1: calls of procedures, and topics with subscribers, in JSON over one connection.
//!
//! AutobahnJS up to 0.8, AutobahnPython up to 0.8 and Ratchet speak this protocol (the WebSocket
//! Application Messaging Protocol of 2012, subprotocol `wamp`); version 2 is another protocol.
//!
//! ```text
//!   ws(WampServer) ──▶ ClientMessage ──▶ Wamp: on_call, on_subscribe, on_publish …
//!        ▲                                       │
//!        └─────── ServerMessage ◀── Topic ◀──────┘◀── Topics::get(name), from anywhere
//! ```
//!
//! A [`WampServer`] is a [`Component`](super::component::Component), so it serves clients of all
//! protocols at the same time. It passes requests from clients to a [`Wamp`]; the default,
//! [`Broker`], carries events from publishers to subscribers. The receivers of an event without
//! exclusions depend on the server for which the pages were written: see [`Dialect`].
//!
//! Guarantees:
//!
//! - The first message to a client contains its session. The messages of a client are handled in
//!   order, each after the previous one is done; a handler that waits delays no other client.
//!   [`CallId::later`] defers the answer to a call, while further messages are handled.
//! - Events to one client arrive in the order in which they were broadcast, across all topics.
//! - JSON is kept as it was written, as [`RawValue`]: numbers, escapes and the order of keys are
//!   preserved. An event is serialized once, and encoded once for all connections with the same
//!   encoding.
//! - The requests of a client are bounded by [`Limits`]. A topic without subscribers and handles is
//!   removed.

mod args;
mod call;
mod client;
mod client_message;
mod dialect;
mod json;
mod limits;
mod message_error;
mod prefixes;
mod receivers;
mod server;
mod server_message;
mod session;
mod session_id;
mod topic;
#[expect(
    clippy::module_inception,
    reason = "what is told of WAMP is what this folder is about"
)]
mod wamp;
mod wamp_error;

pub use serde_json::value::RawValue;

pub use self::args::Args;
pub use self::call::{Answer, Call, CallId};
pub use self::client::WampClient;
pub use self::client_message::{ClientMessage, Exclude, SessionIds};
pub use self::dialect::Dialect;
pub use self::json::Json;
pub use self::limits::Limits;
pub use self::message_error::MessageError;
pub use self::receivers::Receivers;
pub use self::server::WampServer;
pub use self::server_message::ServerMessage;
pub use self::session_id::{SessionId, SessionIdError};
pub use self::topic::{Topic, Topics};
pub use self::wamp::{Broker, Wamp};
pub use self::wamp_error::WampError;
