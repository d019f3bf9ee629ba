//! Taps: an operator sees the frames of connections, and the connections are not disturbed.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use polysock::apps::Relay;
use polysock::protocols::{PROTOCOLS, find_protocol};
use polysock::{
    Accept, BoxError, Broadcast, Gateway, Handshake, Message, PortSettings, Queue, Registry, Site,
    Tap, TapEnd, TapEvent, TapKind, TapSettings, TapWhat, upstream,
};
use polysock_test_support::gateway::{in_all_protocols, serve};
use polysock_test_support::member::{Member, Way};
use tokio::time::timeout;

const ALL: TapSettings = TapSettings {
    payload: usize::MAX,
    wire: usize::MAX,
};

async fn echo(handshake: Handshake) -> Result<(), BoxError> {
    let mut connection = handshake.accept(Accept::default()).await?;
    while let Some(message) = connection.next().await.transpose()? {
        connection.send(message).await?;
    }
    Ok(())
}

fn gateway(site: Site, registry: &Registry) -> Gateway {
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        registry: registry.clone(),
        ..PortSettings::default()
    };
    Gateway::with_site(site, settings)
}

async fn next(tap: &mut Tap) -> TapEvent {
    let event = timeout(Duration::from_secs(10), tap.next()).await;
    event.expect("something happens")
}

/// Reads the next event, of an end that sends one frame at a time.
async fn frame(tap: &mut Tap) -> (TapEnd, char, TapKind, Vec<u8>) {
    let event = next(tap).await;
    let (sign, frame) = match event.what {
        TapWhat::Received(frame) => ('<', frame),
        TapWhat::Sent(frame) => ('>', frame),
        other => panic!("{other:?}"),
    };
    assert_eq!(frame.wire.len(), frame.wire_len);
    assert_eq!(frame.payload.len(), frame.len);
    (event.end, sign, frame.kind, frame.payload.to_vec())
}

#[tokio::test]
async fn a_tap_sees_both_connections_of_a_relay_from_their_handshakes_on() {
    let echo = serve(in_all_protocols(Site::new(echo)));
    for protocol in PROTOCOLS {
        let registry = Registry::default();
        let url = format!("ws://{echo}/");
        let upstream = upstream::parse(&url, upstream::UpstreamSettings::default()).unwrap();
        let gateway = gateway(Site::new(Relay::new(upstream)), &registry);
        let mut tap = registry.tap(ALL, |_| true);
        let stream = Way::Tcp.go(gateway).await;
        let mut member = Member::open(stream, *protocol).await;
        let begun = next(&mut tap).await;
        let TapWhat::Begun {
            protocol: name,
            handshake: Some(handshake),
        } = begun.what
        else {
            panic!("{begun:?}");
        };
        assert_eq!((begun.end, name), (TapEnd::Client, protocol.name()));
        assert!(handshake.received.starts_with(b"GET "));
        assert!(handshake.sent.starts_with(b"HTTP/1.1 101"));
        let behind = find_protocol(name).unwrap().challenge();
        for (bytes, behind) in [
            (&handshake.received, behind.request),
            (&handshake.sent, behind.answer),
        ] {
            let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            assert_eq!(bytes.len(), head.unwrap() + 4 + behind, "{name}");
        }
        let begun = next(&mut tap).await;
        let TapWhat::Begun {
            protocol: "rfc6455",
            handshake: Some(handshake),
        } = begun.what
        else {
            panic!("{begun:?}");
        };
        assert_eq!(begun.end, TapEnd::Upstream);
        assert!(handshake.sent.starts_with(b"GET / "));
        assert!(handshake.received.ends_with(b"\r\n\r\n"));

        member.send("Grüße").await;
        assert_eq!(member.text().await, "Grüße");
        for (end, sign) in [
            (TapEnd::Client, '<'),
            (TapEnd::Upstream, '>'),
            (TapEnd::Upstream, '<'),
            (TapEnd::Client, '>'),
        ] {
            let expected = (end, sign, TapKind::Text, "Grüße".as_bytes().to_vec());
            assert_eq!(frame(&mut tap).await, expected, "{name}");
        }
        let list = registry.connections(|connection| connection.is_tapped);
        assert_eq!(list.len(), 1);
        member.hang_up().await;
        let mut ended = 0;
        while ended < 2 {
            ended += u32::from(matches!(next(&mut tap).await.what, TapWhat::Ended));
        }
        assert_eq!(tap.missed(), 0);
        drop(tap);
        assert_eq!(registry.taps(), 0);
    }
}

#[tokio::test]
async fn an_open_connection_is_tapped_and_released() {
    let registry = Registry::default();
    let gateway = gateway(Site::new(echo), &registry);
    let protocol = find_protocol("hybi-10").unwrap();
    let mut members = Vec::new();
    for _ in 0..2 {
        let stream = Way::Memory(1 << 16).go(gateway.clone()).await;
        members.push(Member::open(stream, protocol).await);
    }
    let [tapped, other] = &mut members[..] else {
        panic!("two");
    };
    let id = registry.connections(|_| true)[0].id;
    for round in 0..300_u32 {
        let mut tap = registry.tap(ALL, move |connection| connection.id == id);
        let TapWhat::Begun {
            handshake: None, ..
        } = next(&mut tap).await.what
        else {
            panic!("it has begun long ago");
        };
        let mut second = registry.tap(ALL, |_| true);
        let TapWhat::Begun { .. } = next(&mut second).await.what else {
            panic!("the other one");
        };
        let said = round.to_string();
        other.send(said.as_str()).await;
        assert_eq!(other.text().await, said);
        tapped.send(said.as_str()).await;
        assert_eq!(tapped.text().await, said);
        for tap in [&mut second, &mut tap] {
            for sign in ['<', '>'] {
                let expected = (
                    TapEnd::Client,
                    sign,
                    TapKind::Text,
                    said.clone().into_bytes(),
                );
                assert_eq!(frame(tap).await, expected);
            }
        }
    }
    tapped.send("nobody sees this").await;
    assert_eq!(tapped.text().await, "nobody sees this");
}

#[tokio::test]
async fn a_tap_sees_publications_over_a_lent_socket() {
    let registry = Registry::default();
    let broadcast = Broadcast::new();
    let all = broadcast.clone();
    let site = Site::new(move |handshake: Handshake| {
        let all = all.clone();
        async move {
            let mut connection = handshake.accept(Accept::default()).await?;
            let mut subscription = all.subscribe(Queue::default());
            while subscription
                .next(&mut connection)
                .await
                .transpose()?
                .is_some()
            {}
            Ok(())
        }
    });
    let stream = Way::Tcp.go(gateway(site, &registry)).await;
    let mut member = Member::open(stream, find_protocol("hixie-76").unwrap()).await;
    let publish = |number: u32| broadcast.publish(Message::text(number.to_string()));
    for round in 0..100 {
        publish(3 * round);
        assert_eq!(member.text().await, (3 * round).to_string());
        let mut tap = registry.tap(ALL, |_| true);
        let begun = next(&mut tap).await;
        assert!(matches!(begun.what, TapWhat::Begun { .. }), "{begun:?}");
        publish(3 * round + 1);
        assert_eq!(member.text().await, (3 * round + 1).to_string());
        let (_, sign, _, payload) = frame(&mut tap).await;
        assert_eq!(sign, '>');
        assert_eq!(payload, (3 * round + 1).to_string().into_bytes());
        drop(tap);
        publish(3 * round + 2);
        assert_eq!(member.text().await, (3 * round + 2).to_string());
    }
}

#[tokio::test]
async fn a_slow_tap_delays_no_connection() {
    let registry = Registry::default();
    let stream = Way::Memory(1 << 16)
        .go(gateway(Site::new(echo), &registry))
        .await;
    let mut member = Member::open(stream, find_protocol("rfc6455").unwrap()).await;
    let mut tap = registry.tap(ALL, |_| true);
    let begun = next(&mut tap).await;
    assert!(matches!(begun.what, TapWhat::Begun { .. }), "{begun:?}");
    for _ in 0..1000 {
        member.send("short").await;
        member.text().await;
    }
    assert_eq!(tap.missed(), 2 * 1000 - 1024);
    for _ in 0..1024 {
        frame(&mut tap).await;
    }
    // At most 16 MiB of long frames are queued, and half of that are wire bytes.
    let long = "x".repeat(1 << 20);
    for _ in 0..8 {
        member.send(long.as_str()).await;
        member.text().await;
    }
    assert!(tap.missed() > 2 * 1000 - 1024);
    drop(tap);
    member.send("still there").await;
    assert_eq!(member.text().await, "still there");
}

#[tokio::test]
async fn a_tap_keeps_only_the_requested_part_of_a_frame() {
    let registry = Registry::default();
    let stream = Way::Memory(1 << 16)
        .go(gateway(Site::new(echo), &registry))
        .await;
    let mut member = Member::open(stream, find_protocol("rfc6455").unwrap()).await;
    let settings = TapSettings {
        payload: 4,
        wire: 0,
    };
    let mut tap = registry.tap(settings, |_| true);
    next(&mut tap).await;
    member.send("secret").await;
    member.text().await;
    for _ in 0..2 {
        let (TapWhat::Received(frame) | TapWhat::Sent(frame)) = next(&mut tap).await.what else {
            panic!("a frame");
        };
        assert_eq!((&frame.payload[..], frame.len), (&b"secr"[..], 6));
        assert!(frame.wire.is_empty() && frame.wire_len >= 8);
    }
}
