//! Admission of clients, and the negotiated subprotocol.

use polysock::apps::component::tcp;
use polysock::apps::wamp::{Broker, WampServer};
use polysock_test_support::client::Client;
use polysock_test_support::gateway;
use polysock_test_support::member::Member;
use polysock_test_support::opening::{RFC6455, assert_status, field, versioned, with};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, duplex};

use super::{Echo, IN_MEMORY, WampMember, gateway_to, ways};

#[test]
fn a_client_without_the_subprotocol_is_refused_with_advice() {
    let address = gateway::serve(gateway_to(WampServer::new(Broker)));
    for (fields, agreed) in [
        ("", None),
        ("Sec-WebSocket-Protocol: chat\r\n", None),
        ("Sec-WebSocket-Protocol: WAMP, wamp.2.json\r\n", None),
        ("Sec-WebSocket-Protocol: wamp\r\n", Some("wamp")),
        ("Sec-WebSocket-Protocol: chat, wamp\r\n", Some("wamp")),
    ] {
        for request in [with(RFC6455, fields), versioned("8", fields)] {
            let mut client = Client::connect(address);
            client.send(request);
            let head = client.head();
            match agreed {
                Some(_) => assert_status(&head, 101),
                None => {
                    assert_status(&head, 400);
                    let body = String::from_utf8(client.rest()).unwrap();
                    assert!(
                        body.contains("a subprotocol is required: offer wamp"),
                        "{body}"
                    );
                }
            }
            assert_eq!(field(&head, "Sec-WebSocket-Protocol"), agreed, "{fields}");
        }
    }
}

#[tokio::test]
async fn the_subprotocol_may_be_made_optional() {
    let gateway = gateway_to(WampServer::new(Echo).require_subprotocol(false));
    for (protocol, way) in ways() {
        for offer in [&[][..], &["chat"], &["wamp"]] {
            // An old client that offers a subprotocol requires one in the answer.
            if offer == ["chat"] && protocol != "rfc6455" {
                continue;
            }
            let stream = way.go(gateway.clone()).await;
            let found = polysock::protocols::find_protocol(protocol).unwrap();
            let mut member = Member::open_offering(stream, found, offer).await;
            assert!(member.text().await.starts_with("[0,\""), "{protocol}");
            member.send("[2,1,\"echo\",1]").await;
            assert_eq!(member.text().await, "[3,1,1]", "{protocol}");
        }
    }
}

#[tokio::test]
async fn clients_of_every_protocol_meet_in_one_topic() {
    let gateway = gateway_to(WampServer::new(Echo));
    let mut members = Vec::new();
    for (protocol, way) in ways() {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        member.subscribe("t").await;
        members.push(member);
    }
    for publisher in 0..members.len() {
        members[publisher]
            .say(&format!("[7,\"t\",{publisher}]"))
            .await;
        for (subscriber, member) in members.iter_mut().enumerate() {
            if subscriber != publisher {
                member.hears(&format!("[8,\"t\",{publisher}]")).await;
            }
        }
    }
    let mut last = WampMember::join_in(&gateway, "rfc6455", IN_MEMORY).await;
    last.is_up_to_date().await;
}

#[tokio::test]
async fn wamp_over_lines_needs_no_subprotocol() {
    let (ours, theirs) = duplex(1 << 16);
    let server = tcp(WampServer::new(Echo));
    tokio::spawn(async move {
        server
            .serve_connection(theirs, polysock::Peer::default())
            .await;
    });
    let (read, mut write) = tokio::io::split(ours);
    let mut lines = BufReader::new(read).lines();
    let welcome = lines.next_line().await.unwrap().unwrap();
    assert!(welcome.starts_with("[0,\""), "{welcome}");
    write
        .write_all(b"[2,1,\"echo\",{}]\n[2,2,\"echo\",[]]\n")
        .await
        .unwrap();
    for expected in ["[3,1,{}]", "[3,2,[]]"] {
        assert_eq!(lines.next_line().await.unwrap().unwrap(), expected);
    }
}
