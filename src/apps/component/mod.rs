//! An application as four events.
//!
//! ```text
//!   ws(component) ◀── any WebSocket protocol, HTTP/2      on_open ─▶ on_message … ─▶ on_close
//!   tcp(component) ◀── lines of a byte stream                     └─▶ on_error ─┘
//! ```
//!
//! A [`Component`] handles the events of its clients. It answers through a [`Client`], from any
//! place and thread, and [`Clients`] is a set of those. A component has no socket, so that [`ws`],
//! [`tcp`] or another component can wrap it.
//!
//! Guarantees:
//!
//! - The order of a client's events is: open, messages, close. There are never two events at the
//!   same time for one client, and [`on_close`](Component::on_close) is called exactly once, even
//!   if earlier handlers failed.
//! - Clients are served concurrently, on all threads: a slow handler delays only its own client,
//!   and messages to that client are still sent meanwhile. [`Serial`] handles one event at a time
//!   instead.
//! - Messages to one client arrive in the order of the calls, and a close arrives after the
//!   messages sent before it.
//! - The messages that wait for one client are bounded, by the [`Queue`](crate::Queue) of
//!   [`Ws::queue`].
//! - An error closes one connection, with 1011 unless [`on_error`](Component::on_error) does
//!   something else. A panic closes it with 1011.
//!
//! The chat of most introductions to WebSockets:
//!
//! ```
//! use polysock::apps::component::{Client, Clients, Component, ws};
//! use polysock::{BoxError, Gateway, Message};
//!
//! #[derive(Default)]
//! struct Chat {
//!     clients: Clients,
//! }
//!
//! impl Component for Chat {
//!     async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
//!         self.clients.attach(client);
//!         Ok(())
//!     }
//!
//!     async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
//!         self.clients.others(from).send(message);
//!         Ok(())
//!     }
//!
//!     async fn on_close(&self, client: &Client) {
//!         self.clients.detach(client);
//!     }
//! }
//!
//! # async fn example() -> std::io::Result<()> {
//! Gateway::new(ws(Chat::default())).listen("127.0.0.1:8080").await
//! # }
//! ```

mod attend;
mod client;
mod clients;
mod command;
#[expect(
    clippy::module_inception,
    reason = "a component is what this folder is about"
)]
mod component;
mod deciding;
mod rate_limit;
mod serial;
mod tcp;
mod ws;

pub use self::client::Client;
pub use self::clients::{Clients, Others};
pub use self::command::Command;
pub use self::component::Component;
pub use self::deciding::{Decider, Deciding};
pub use self::rate_limit::{RateLimit, RateLimited};
pub use self::serial::{Serial, SerialComponent};
pub use self::tcp::{Tcp, tcp};
pub use self::ws::{Ws, ws};
