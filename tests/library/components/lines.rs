//! Components over a byte stream.

use std::sync::Arc;
use std::time::Duration;

use polysock::apps::component::{Client, Component, Tcp, tcp};
use polysock::protocols::{Framing, SessionConfig};
use polysock::{BoxError, Kind, Message, Peer};
use polysock_test_support::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Chat, gateway_to, join, until};

/// Opens a stream that the component serves.
fn stream<C: Component>(served: Tcp<C>) -> DuplexStream {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(async move { served.serve_connection(theirs, Peer::default()).await });
    ours
}

/// Asserts that the next bytes are these.
async fn comes(stream: &mut (impl AsyncReadExt + Unpin), expected: &[u8]) {
    let mut came = vec![0; expected.len()];
    let read = timeout(PATIENCE, stream.read_exact(&mut came)).await;
    read.expect("something comes").expect("no end");
    assert_eq!(
        came.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

#[tokio::test]
async fn a_terminal_talks_to_browsers_of_every_age() {
    let chat = Arc::new(Chat::default());
    let gateway = gateway_to(&chat);
    let mut terminal = stream(tcp(Arc::clone(&chat)));
    comes(&mut terminal, b"welcome\n").await;
    for name in ["hixie-75", "hixie-76", "hybi-10", "rfc6455"] {
        let mut browser = join(&gateway, name, 1 << 16).await;
        // The input arrives in pieces, with both kinds of line ending.
        terminal.write_all(b"hel").await.unwrap();
        tokio::task::yield_now().await;
        terminal.write_all(b"lo\r\nand on\n").await.unwrap();
        assert_eq!(browser.text().await, "hello", "{name}");
        assert_eq!(browser.text().await, "and on", "{name}");
        browser.send("grüße").await;
        comes(&mut terminal, "grüße\n".as_bytes()).await;
        drop(browser);
        until(|| chat.clients.len() == 1).await;
    }
    drop(terminal);
    until(|| chat.clients.is_empty()).await;
}

/// A component that answers each message with its debug format, then echoes it.
struct Echo;

impl Component for Echo {
    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        assert_eq!(from.protocol(), "tcp");
        assert!(from.request().is_none() && from.subprotocol().is_none());
        from.send(format!("{message:?}"));
        from.send(message);
        Ok(())
    }
}

#[tokio::test]
async fn messages_in_a_stream_use_the_configured_framing() {
    for (framing, kind, sent, expected) in [
        (
            Framing::Line,
            Kind::Text,
            &b"a\n"[..],
            &b"Text(1 bytes)\na\n"[..],
        ),
        (
            Framing::Line,
            Kind::Binary,
            b"\xff\n",
            b"Binary(1 bytes)\n\xff\n",
        ),
        (
            Framing::Nul,
            Kind::Text,
            b"a\nb\0",
            b"Text(3 bytes)\0a\nb\0",
        ),
        (
            Framing::Length,
            Kind::Binary,
            b"\0\0\0\x01\0",
            b"\0\0\0\x0fBinary(1 bytes)\0\0\0\x01\0",
        ),
    ] {
        let mut stream = stream(tcp(Echo).framing(framing).kind(kind));
        stream.write_all(sent).await.unwrap();
        comes(&mut stream, expected).await;
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_ends_its_stream() {
    let session = SessionConfig {
        max_message: 100,
        ..SessionConfig::default()
    };
    let mut stream = stream(tcp(Echo).session(session));
    stream.write_all(&[b'a'; 100]).await.unwrap();
    stream.write_all(b"\n").await.unwrap();
    comes(&mut stream, b"Text(100 bytes)\naaaa").await;
    stream.write_all(&[b'a'; 40_000]).await.unwrap();
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    end.expect("it ends").expect("without a reset");
    assert_eq!(rest, [&[b'a'; 96][..], b"\n"].concat());
}

#[tokio::test]
async fn clients_get_all_sent_lines_at_a_shutdown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let chat = Arc::new(Chat::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tcp(Arc::clone(&chat)).max_connections(2);
    let shutdown = async move { drop(stopped.await) };
    let serving = tokio::spawn(served.serve(listener, shutdown, PATIENCE));
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).await.unwrap();
        comes(&mut client, b"welcome\n").await;
        assert!(
            chat.clients
                .all()
                .iter()
                .all(|client| client.peer().address.is_some())
        );
        clients.push(client);
    }
    // A third connection waits until another has closed.
    let mut third = TcpStream::connect(address).await.unwrap();
    let early = timeout(Duration::from_millis(100), third.read_u8()).await;
    early.expect_err("it waits");
    clients.pop();
    comes(&mut third, b"welcome\n").await;
    clients.push(third);
    chat.clients.send("the last");
    drop(stop);
    for client in &mut clients {
        comes(client, b"the last\n").await;
        let end = timeout(PATIENCE, client.read_u8()).await;
        end.expect("it ends").expect_err("nothing else comes");
    }
    drop(clients);
    timeout(PATIENCE, serving).await.expect("it ends").unwrap();
    assert!(chat.clients.is_empty());
}
