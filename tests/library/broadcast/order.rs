//! The messages that all subscribers receive, and their order.

use bytes::Bytes;
use futures_util::SinkExt;
use polysock::{
    Accept, BinaryOverText, BoxError, Broadcast, Handshake, Kind, Message, Piece, Queue,
};
use polysock_test_support::member::Way;

use super::{READY, binary_names, gateway, gateway_with, join, names, ways, with_all_protocols};

#[tokio::test]
async fn every_protocol_receives_from_every_other() {
    let line = Broadcast::new();
    let gateway = gateway(&line, Queue::default());
    let mut clients = Vec::new();
    for name in names() {
        clients.push(join(&gateway, name, 1 << 20).await);
        clients.push(join(&gateway, name, Way::Tcp).await);
    }
    for speaker in 0..clients.len() {
        for len in [0, 1, 125, 126, 5000, 70_000] {
            let text = format!("{speaker:02}").repeat(len);
            clients[speaker].send(&*text).await;
            for client in &mut clients {
                assert_eq!(client.text().await, text);
            }
        }
    }
}

#[tokio::test]
async fn binary_reaches_protocols_that_support_it_and_closes_others() {
    for name in names() {
        let binary = binary_names().any(|other| other == name);
        let line = Broadcast::new();
        let strict = gateway(&line, Queue::default());
        let lenient = gateway_with(&line, Queue::default(), BinaryOverText::Base64);
        let mut strict = join(&strict, name, 4096).await;
        let mut lenient = join(&lenient, name, 4096).await;
        let mut other = join(&gateway(&line, Queue::default()), "rfc6455", 4096).await;
        line.publish(Message::binary(vec![0xff; 3]));
        line.publish("after".into());
        let sent = Message::binary(vec![0xff; 3]);
        assert_eq!(other.message().await, Some(sent.clone()));
        assert_eq!(other.text().await, "after", "beside {name}");
        let as_text = if binary { sent } else { "////".into() };
        assert_eq!(lenient.message().await, Some(as_text.clone()), "{name}");
        assert_eq!(lenient.text().await, "after", "{name}");
        let first = strict.message().await;
        assert_eq!(first, Some(as_text).filter(|_| binary), "{name}");
    }
}

#[tokio::test]
async fn own_messages_and_published_ones_keep_their_order() {
    let line = Broadcast::new();
    let spoken = line.clone();
    let gateway = with_all_protocols(move |handshake: Handshake| {
        let line = spoken.clone();
        async move {
            let mut connection = handshake.accept(Accept::default()).await?;
            let mut subscription = line.subscribe(Queue::default());
            connection.feed(READY.into()).await?;
            while let Some(message) = subscription.next(&mut connection).await.transpose()? {
                connection.feed(message.clone()).await?;
                line.publish(message);
            }
            Ok::<_, BoxError>(())
        }
    });
    for (name, way) in ways() {
        let mut speaker = join(&gateway, name, way).await;
        let mut listener = join(&gateway, "rfc6455", way).await;
        for number in 0..100 {
            let text = number.to_string();
            speaker.session.send(text.into()).unwrap();
        }
        speaker.flush().await;
        let mut seen = [0, 0];
        for _ in 0..200 {
            // Each number arrives twice: first as the client's own copy, then as published.
            let number: u32 = speaker.text().await.parse().unwrap();
            let [own, published] = &mut seen;
            if number == *own {
                *own += 1;
            } else {
                assert_eq!(number, *published, "{name}");
                *published += 1;
            }
            assert!(own >= published);
        }
        for number in 0..100 {
            assert_eq!(listener.text().await, number.to_string(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_message_in_pieces_is_not_interrupted() {
    let line = Broadcast::new();
    let published = line.clone();
    let gateway = with_all_protocols(move |handshake: Handshake| {
        let line = published.clone();
        async move {
            let mut connection = handshake.accept(Accept::default()).await?;
            let mut subscription = line.subscribe(Queue::default());
            connection.feed(READY.into()).await?;
            while let Some(message) = subscription.next(&mut connection).await.transpose()? {
                connection.start_send_piece(Piece {
                    kind: Kind::Text,
                    payload: Bytes::copy_from_slice(message.as_bytes()),
                    end: message.as_text() == Some("end"),
                })?;
                line.publish(format!("between {}", message.as_text().unwrap()).into());
            }
            Ok::<_, BoxError>(())
        }
    });
    for (name, way) in ways() {
        let mut sender = join(&gateway, name, way).await;
        let mut listener = join(&gateway, "hixie-76", way).await;
        for part in ["be", "gin, ", "end"] {
            sender.send(part).await;
            assert_eq!(listener.text().await, format!("between {part}"));
        }
        assert_eq!(sender.text().await, "begin, end", "{name}");
        for part in ["be", "gin, ", "end"] {
            assert_eq!(sender.text().await, format!("between {part}"), "{name}");
        }
    }
}
