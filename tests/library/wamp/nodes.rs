//! Topics of two servers that share a broker.

use std::sync::Arc;
use std::time::Duration;

use polysock::apps::component::ws;
use polysock::apps::wamp::WampServer;
use polysock::bus::Local;
use polysock::{Channels, Gateway, Message, Node};
use tokio::time::sleep;

use super::{Echo, TOPIC, WampMember, gateway};

/// Starts a server that shares this broker, with topics of this scope.
async fn server(broker: &Local, scope: &str) -> (Gateway, Channels, Node) {
    let channels = Channels::new();
    let node = Node::start(&channels, Arc::new(broker.clone())).unwrap();
    while !node.state().is_connected {
        sleep(Duration::from_millis(5)).await;
    }
    let server = WampServer::new(Echo).on_channels(&channels, scope);
    (gateway(ws(server)), channels, node)
}

async fn subscriber(gateway: &Gateway) -> WampMember {
    let mut member = WampMember::join(gateway).await;
    member.subscribe(TOPIC).await;
    // The node subscribes at the broker a moment later.
    sleep(Duration::from_millis(50)).await;
    member
}

#[tokio::test]
async fn an_event_reaches_its_receivers_on_other_nodes() {
    let broker = Local::new();
    let (here, _, _here) = server(&broker, "a").await;
    let (there, _, _there) = server(&broker, "a").await;
    let (elsewhere, _, _elsewhere) = server(&broker, "b").await;
    let mut ann = subscriber(&here).await;
    let mut bob = subscriber(&there).await;
    let mut cid = subscriber(&there).await;
    let mut other = subscriber(&elsewhere).await;
    let event = |text: &str| format!("[8,\"{TOPIC}\",\"{text}\"]");

    // The publisher does not get the event. All others do, on either node.
    ann.say(&format!("[7,\"{TOPIC}\",\"all\"]")).await;
    bob.hears(&event("all")).await;
    cid.hears(&event("all")).await;

    let but_bob = format!("[7,\"{TOPIC}\",\"but bob\",[\"{}\"]]", bob.session);
    ann.say(&but_bob).await;
    cid.hears(&event("but bob")).await;
    ann.hears(&event("but bob")).await;

    let for_bob = format!("[7,\"{TOPIC}\",\"for bob\",[],[\"{}\"]]", bob.session);
    ann.say(&for_bob).await;
    // Bob gets only the event for him.
    bob.hears(&event("for bob")).await;

    bob.say(&format!("[7,\"{TOPIC}\",\"back\"]")).await;
    ann.hears(&event("back")).await;
    cid.hears(&event("back")).await;

    other.say(&format!("[7,\"{TOPIC}\",\"b\",false]")).await;
    other.hears(&event("b")).await;
}

#[tokio::test]
async fn a_publication_on_any_node_is_an_event_on_every_node() {
    let broker = Local::new();
    let (here, _, _here) = server(&broker, "a").await;
    let (_, channels, _there) = server(&broker, "b").await;
    let mut ann = subscriber(&here).await;
    channels.publish(TOPIC, Message::text("{\"price\":1}"));
    ann.hears(&format!("[8,\"{TOPIC}\",{{\"price\":1}}]")).await;
}
