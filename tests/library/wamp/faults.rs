//! Faults of old servers that Polysock does not have, and that fit nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polysock::BoxError;
use polysock::apps::Layered;
use polysock::apps::component::{RateLimit, ws};
use polysock::apps::wamp::{Wamp, WampClient, WampServer};
use polysock_test_support::client::Client;
use polysock_test_support::gateway;
use polysock_test_support::member::Way;
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, with};

use super::{Echo, IN_MEMORY, WampMember, gateway_of, gateway_to, until, ways};

/// Reads one hixie message.
fn message(client: &mut Client) -> String {
    let mut text = Vec::new();
    assert_eq!(client.take(1), [0]);
    loop {
        match client.take(1)[..] {
            [0xff] => return String::from_utf8(text).unwrap(),
            ref byte => text.extend(byte),
        }
    }
}

#[test]
fn two_messages_of_hixie_76_in_one_read_are_two_and_a_close_is_answered() {
    let address = gateway::serve(gateway_to(WampServer::new(Echo)));
    for bytewise in [false, true] {
        let mut client = Client::connect(address);
        let head = with(HIXIE_76, "Sec-WebSocket-Protocol: wamp\r\n");
        client.send([head.as_bytes(), HIXIE_76_BODY].concat());
        client.head();
        client.take(16);
        assert!(message(&mut client).starts_with("[0,\""));
        let two = b"\0[2,1,\"echo\",\"one\"]\xff\0[2,2,\"echo\",\"two\"]\xff\xff\0";
        match bytewise {
            true => client.send_bytewise(two),
            false => client.send(two),
        }
        assert_eq!(message(&mut client), "[3,1,\"one\"]");
        assert_eq!(message(&mut client), "[3,2,\"two\"]");
        assert_eq!(client.take(2), b"\xff\0");
    }
}

#[tokio::test]
async fn a_panicking_procedure_ends_one_connection_and_leaks_nothing() {
    let echo = Arc::new(Echo);
    let server = WampServer::new(Arc::clone(&echo));
    let topics = server.topics();
    let gateway = gateway_to(server);
    let mut other = WampMember::join(&gateway).await;
    let in_memory = ways().filter(|(_, way)| matches!(way, Way::Memory(_)));
    for (protocol, way) in in_memory {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        member.subscribe("t").await;
        member.say("[2,1,\"panic\"]").await;
        assert_eq!(member.member.message().await, None, "{protocol}");
        until(|| topics.is_empty()).await;
        other.is_up_to_date().await;
    }
    let mut member = WampMember::join(&gateway).await;
    member.say("[2,1,\"panic\"]").await;
    member.ends_with(1011, "").await;
    drop((other, gateway));
    until(|| Arc::strong_count(&echo) == 1).await;
}

/// An application that fails in `on_open`.
#[derive(Default)]
struct Failing(AtomicUsize);

impl Wamp for Failing {
    async fn on_open(&self, _: &WampClient) -> Result<(), BoxError> {
        Err("it fails".into())
    }

    async fn on_close(&self, _: &WampClient) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_client_whose_open_handler_fails_is_closed_and_reported_once() {
    let failing = Arc::new(Failing::default());
    let gateway = gateway_of(&failing);
    let member = WampMember::join(&gateway).await;
    member.ends_with(1011, "").await;
    until(|| failing.0.load(Ordering::Relaxed) == 1).await;
}

#[tokio::test]
async fn layers_of_a_component_apply_to_wamp() {
    let limit = RateLimit::per_second(5.try_into().unwrap());
    let gateway = super::gateway(ws(WampServer::new(Echo).layer(limit)));
    let mut member = WampMember::join_in(&gateway, "rfc6455", IN_MEMORY).await;
    for _ in 0..50 {
        member.member.session.send("[6,\"t\"]".into()).unwrap();
    }
    member.member.flush().await;
    member.ends_with(1008, "too many messages").await;
    let gateway = gateway_of(&Arc::new(Echo));
    WampMember::join(&gateway).await.is_up_to_date().await;
}
