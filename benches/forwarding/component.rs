//! An echo as a component.

use polysock::apps::component::{Client, Component, ws};
use polysock::{BoxError, Gateway, Message, Peer};

use crate::client::Client as InMemory;
use crate::rfc6455::{RFC6455, masked_frame};

struct Echo;

impl Component for Echo {
    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        from.send(message);
        Ok(())
    }
}

/// Echoes `count` bursts of messages.
pub(crate) async fn run(messages: usize, count: usize) {
    let client = InMemory {
        handshake: RFC6455.as_bytes().to_vec(),
        burst: masked_frame(2, 64).repeat(messages),
        left: count,
    };
    let gateway = Gateway::new(ws(Echo));
    gateway.serve_connection(client, Peer::default()).await;
}
