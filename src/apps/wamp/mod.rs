//! WAMP, version 1: calls of procedures, and topics with subscribers, in JSON over one connection.
//!
//! This is what AutobahnJS up to 0.8, AutobahnPython up to 0.8 and Ratchet speak (the WebSocket
//! Application Messaging Protocol of 2012, subprotocol `wamp`); version 2 is another protocol.
//!
//! ```text
//!   ws(WampServer) ──▶ ClientMessage ──▶ Wamp: on_call, on_subscribe, on_publish …
//!        ▲                                       │
//!        └─────── ServerMessage ◀── Topic ◀──────┘◀── Topics::get(name), from anywhere
//! ```
//!
//! A [`WampServer`] is a [`Component`](super::component::Component), and so serves clients of every protocol at
//! once. It tells a [`Wamp`] of what clients want; without one of yours, [`Broker`] carries events from
//! publishers to subscribers. Who gets an event of which nothing is said depends on whose server the
//! pages were written for: see [`Dialect`].
//!
//! What it may rely on:
//!
//! - A client is told its session before anything else. Its messages are handled in their order, each when
//!   the one before is done; a handler that waits holds up nobody else. [`CallId::later`] has a
//!   call answered later, while further messages are handled.
//! - The events that are sent to one client arrive in the order in which they were broadcast, those of all
//!   topics together.
//! - JSON stays as it was written, as [`RawValue`]: nothing of numbers, escapes or the order of keys is lost. An
//!   event is written once, and encoded once for all connections that write the same.
//! - What a client may ask for is bounded, by [`Limits`]; a topic without subscribers that nobody holds is
//!   forgotten.

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
