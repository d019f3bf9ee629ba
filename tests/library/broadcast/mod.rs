//! Broadcasts: each subscriber receives the messages in order and in its own protocol, even if
//! another subscriber is slow, leaves, closes or is in the middle of a message.

mod bounds;
mod farewell;
mod order;
mod overflow;
mod threads;

use futures_util::SinkExt;
use polysock::protocols::{PROTOCOLS, find_protocol};
use polysock::{Accept, BinaryOverText, Broadcast, Gateway, Handshake, Queue, Site};
use polysock_test_support::gateway::in_all_protocols;
use polysock_test_support::member::{Member, Way};

/// The text that a client receives once it is subscribed.
const READY: &str = "ready";

/// Connects in a protocol, and waits until the client is subscribed.
async fn join(gateway: &Gateway, protocol: &str, way: impl Into<Way>) -> Member {
    let stream = way.into().go(gateway.clone()).await;
    let mut member = Member::open(stream, find_protocol(protocol).unwrap()).await;
    assert_eq!(member.text().await, READY, "{protocol}");
    member
}

/// A gateway whose clients publish their messages and receive those of the others through this
/// queue.
fn gateway(line: &Broadcast, queue: Queue) -> Gateway {
    gateway_with(line, queue, BinaryOverText::Close)
}

fn gateway_with(line: &Broadcast, queue: Queue, binary_over_text: BinaryOverText) -> Gateway {
    let line = line.clone();
    let application = move |handshake: Handshake| {
        let line = line.clone();
        async move {
            let accept = Accept {
                binary_over_text,
                ..Accept::default()
            };
            let mut connection = handshake.accept(accept).await?;
            let mut subscription = line.subscribe(queue);
            connection.feed(READY.into()).await?;
            while let Some(message) = subscription.next(&mut connection).await.transpose()? {
                line.publish(message);
            }
            Ok(())
        }
    };
    with_all_protocols(application)
}

/// The protocols with binary messages. A server cannot tell a client of hybi-02 that has sent
/// nothing from one of the old framing, so it uses the old framing.
fn binary_names() -> impl Iterator<Item = &'static str> + Clone {
    names().filter(|name| find_protocol(name).unwrap().capabilities().binary && *name != "hybi-02")
}

fn with_all_protocols(application: impl polysock::Application) -> Gateway {
    in_all_protocols(Site::new(application))
}

fn names() -> impl Iterator<Item = &'static str> + Clone {
    PROTOCOLS.iter().map(|protocol| protocol.name())
}

/// Every protocol, over each transport.
fn ways() -> impl Iterator<Item = (&'static str, Way)> {
    names().flat_map(|name| [(name, Way::Memory(1 << 20)), (name, Way::Tcp)])
}
