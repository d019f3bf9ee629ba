//! Components: the events of their clients, and the delivery of their output.

mod bounds;
mod deciding;
mod events;
mod faults;
mod lines;
mod ratchet;

use std::sync::Arc;

use polysock::apps::component::{Client, Clients, Component, ws};
use polysock::protocols::{PROTOCOLS, find_protocol};
use polysock::{Application, BoxError, Gateway, Message, Site};
use polysock_test_support::PATIENCE;
use polysock_test_support::gateway::in_all_protocols;
use polysock_test_support::member::{Member, Way};
use tokio::time::timeout;

/// The chat from the introduction.
#[derive(Default)]
pub(super) struct Chat {
    clients: Clients,
}

impl Component for Chat {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        self.clients.attach(client);
        client.send("welcome");
        Ok(())
    }

    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        self.clients.others(from).send(message);
        Ok(())
    }

    async fn on_close(&self, client: &Client) {
        self.clients.detach(client);
    }
}

/// Starts a gateway in all protocols.
fn gateway(application: impl Application) -> Gateway {
    in_all_protocols(Site::new(application))
}

/// Starts a gateway to a component that the test inspects.
fn gateway_to(component: &Arc<impl Component>) -> Gateway {
    gateway(ws(Arc::clone(component)))
}

/// Connects in a protocol.
async fn connect(gateway: &Gateway, protocol: &str, way: impl Into<Way>) -> Member {
    let stream = way.into().go(gateway.clone()).await;
    Member::open(stream, find_protocol(protocol).unwrap()).await
}

/// Connects in a protocol, and waits for the welcome.
async fn join(gateway: &Gateway, protocol: &str, way: impl Into<Way>) -> Member {
    let mut member = connect(gateway, protocol, way).await;
    assert_eq!(member.text().await, "welcome", "{protocol}");
    member
}

/// Every protocol, over each transport.
fn ways() -> impl Iterator<Item = (&'static str, Way)> {
    let names = PROTOCOLS.iter().map(|protocol| protocol.name());
    names.flat_map(|name| [(name, Way::Memory(1 << 20)), (name, Way::Tcp)])
}

/// Waits until the condition holds.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it comes to be so");
}
