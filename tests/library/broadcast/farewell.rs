//! Closing a broadcast: the close is delivered after all earlier messages, and no later message is.

use bytes::Bytes;
use futures_util::SinkExt;
use polysock::protocols::{CloseForm, find_protocol};
use polysock::{
    Accept, BoxError, Broadcast, Close, CloseCode, Handshake, Kind, Overflow, Piece, Queue,
};

use polysock_test_support::member::{Way, numbered};

use super::{READY, gateway, join, ways, with_all_protocols};

/// The close with which the broadcast ends.
fn farewell() -> Close {
    Close::new(CloseCode::GOING_AWAY, "that was all")
}

/// Returns the close that a client of this protocol receives.
fn told(name: &str, close: Close) -> Option<Close> {
    match find_protocol(name).unwrap().capabilities().close {
        CloseForm::Code => Some(close),
        CloseForm::Bare | CloseForm::Eof => None,
    }
}

#[tokio::test]
async fn a_broadcast_is_closed_after_the_published_messages() {
    for (name, way) in ways() {
        let line = Broadcast::new();
        let gateway = gateway(&line, Queue::default());
        let mut client = join(&gateway, name, way).await;
        // Short and long messages, more than one write sends.
        for number in 0..100 {
            line.publish(number.to_string().repeat(1 + number % 7 * 500).into());
        }
        line.close(farewell());
        line.publish("too late".into());
        for number in 0..100 {
            let text = number.to_string().repeat(1 + number % 7 * 500);
            assert_eq!(client.text().await, text, "{name} {way:?}");
        }
        assert_eq!(client.message().await, None, "{name} {way:?}");
        let close = client.closed().close.clone();
        assert_eq!(close, told(name, farewell()), "{name} {way:?}");
        // A later subscriber receives later messages.
        let mut later = join(&gateway, name, way).await;
        line.publish("again".into());
        assert_eq!(later.text().await, "again", "{name} {way:?}");
    }
}

#[tokio::test]
async fn a_farewell_reaches_idle_and_full_subscribers() {
    for overflow in [
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::Disconnect,
    ] {
        for way in [Way::Memory(1024), Way::Tcp] {
            let line = Broadcast::new();
            let queue = Queue {
                messages: 5,
                overflow,
                ..Queue::default()
            };
            let gateway = gateway(&line, queue);
            let mut idle = join(&gateway, "rfc6455", way).await;
            line.close(farewell());
            assert_eq!(idle.message().await, None, "{overflow:?} {way:?}");
            assert_eq!(idle.closed().close, Some(farewell()), "{overflow:?}");

            // The client reads nothing until all is published, before the close and after it.
            let mut full = join(&gateway, "rfc6455", way).await;
            for number in 0..1000 {
                line.publish(numbered(number, 20_000));
                if number == 500 {
                    line.close(farewell());
                }
            }
            let mut last = None;
            while let Some(number) = full.number().await {
                assert!(number <= 500, "{number} was published after the close");
                last = Some(number);
            }
            let cut_off = CloseCode::POLICY_VIOLATION;
            let close = full.closed().close.clone().expect("a close");
            match overflow {
                Overflow::DropOldest => assert_eq!((last, close), (Some(500), farewell())),
                Overflow::DropNewest => assert_eq!(close, farewell()),
                Overflow::Disconnect => assert_eq!(close.code, cut_off),
            }
        }
    }
}

#[tokio::test]
async fn a_subscription_is_closed_after_the_published_messages() {
    let line = Broadcast::new();
    let published = line.clone();
    let gateway = with_all_protocols(move |handshake: Handshake| {
        let line = published.clone();
        async move {
            let mut connection = handshake.accept(Accept::default()).await?;
            let mut subscription = line.subscribe(Queue::default());
            connection.feed(READY.into()).await?;
            while let Some(message) = subscription.next(&mut connection).await.transpose()? {
                let begins = message.as_text() == Some("begin");
                connection.start_send_piece(Piece {
                    kind: Kind::Text,
                    payload: Bytes::from_static(b"piece "),
                    end: !begins,
                })?;
                if begins {
                    line.publish("published".into());
                    subscription.close(farewell());
                }
            }
            Ok::<_, BoxError>(())
        }
    });
    for (name, way) in ways() {
        let mut client = join(&gateway, name, way).await;
        client.send("begin").await;
        client.send("end").await;
        // The message that has begun is completed. The published message follows, then the close.
        assert_eq!(client.text().await, "piece piece ", "{name}");
        assert_eq!(client.text().await, "published", "{name}");
        assert_eq!(client.message().await, None, "{name}");
        let close = client.closed().close.clone();
        assert_eq!(close, told(name, farewell()), "{name} {way:?}");
    }
}
