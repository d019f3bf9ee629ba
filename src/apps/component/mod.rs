//! An application as four events.
//!
//! ```text
//!   ws(component) ◀── any WebSocket protocol, HTTP/2      on_open ─▶ on_message … ─▶ on_close
//!   tcp(component) ◀── lines of a byte stream                     └─▶ on_error ─┘
//! ```
//!
//! A [`Component`] is told of its clients and of what they say; what it says to them goes by a
//! [`Client`], from wherever that is, and [`Clients`] are many of those. It knows no socket, so that it
//! serves whatever it is put around: [`ws`], [`tcp`], or another component.
//!
//! What it may rely on:
//!
//! - Each client opens, then its messages come, then it closes: never two events at once for one client,
//!   and [`on_close`](Component::on_close) exactly once, whatever became of the events before.
//! - Clients are served side by side, on all threads: a slow handler holds up nobody but its own client,
//!   and to that what others send goes out meanwhile. [`Serial`] has one event at a time instead.
//! - What is sent to one client arrives in the order of the calls, and a close behind what was sent before
//!   it.
//! - What waits for one client is bounded, by the [`Queue`](crate::Queue) of [`Ws::queue`].
//! - An error ends one connection, with 1011 unless [`on_error`](Component::on_error) does something else;
//!   so does a panic.
//!
//! The chat of every introduction to WebSockets:
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
