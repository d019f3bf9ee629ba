//! Faults of Ratchet that Polysock does not have. Those of its router are tested in `layers`, those
//! of its WAMP in `wamp`, and those of its sessions with the sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_core::future::BoxFuture;
use polysock::apps::Layered;
use polysock::apps::component::{Client, Component, ws};
use polysock::protocols::Rejection;
use polysock::{
    Admitted, BoxError, Close, CloseCode, Message, Peer, Policy, PortSettings, Site, Visitor,
};
use polysock_test_support::PATIENCE;
use polysock_test_support::member::Way;
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{Chat, connect, gateway, gateway_to, join, until, ways};

/// A component that echoes messages, counts disconnects, and fails on request.
#[derive(Default)]
struct Echo {
    gone: AtomicUsize,
}

impl Component for Echo {
    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        match message.as_text() {
            Some("fail") => return Err("it fails".into()),
            Some("bye") => {
                from.send("bye");
                from.close(Close::new(CloseCode::NORMAL, "bye"));
            }
            _ => from.send(message),
        }
        Ok(())
    }

    async fn on_error(&self, _: &Client, _: BoxError) {
        panic!("it fails at failing");
    }

    async fn on_close(&self, _: &Client) {
        self.gone.fetch_add(1, Ordering::Relaxed);
    }
}

/// In Ratchet, the process exits.
#[tokio::test]
async fn a_handler_of_errors_that_fails_ends_one_connection() {
    let echo = Arc::new(Echo::default());
    let gateway = gateway_to(&echo);
    for (name, way) in ways() {
        let mut other = connect(&gateway, "rfc6455", way).await;
        let mut member = connect(&gateway, name, way).await;
        member.send("fail").await;
        assert_eq!(member.message().await, None, "{name} {way:?}");
        other.send("still there?").await;
        assert_eq!(other.text().await, "still there?", "{name} {way:?}");
    }
}

/// In Ratchet, two hixie-76 frames in one read become one message, and a close is not answered.
#[tokio::test]
async fn hixie_76_frames_in_one_read_are_separate_and_the_close_is_answered() {
    let echo = Arc::new(Echo::default());
    let gateway = gateway_to(&echo);
    let (mut ours, theirs) = duplex(1 << 16);
    tokio::spawn(async move { gateway.serve_connection(theirs, Peer::default()).await });
    let all = [
        HIXIE_76.as_bytes(),
        HIXIE_76_BODY,
        b"\0one\xff\0two\xff\xff\0",
    ];
    ours.write_all(&all.concat()).await.unwrap();
    let mut came = Vec::new();
    let read = timeout(PATIENCE, ours.read_to_end(&mut came)).await;
    read.expect("it ends").expect("without a reset");
    assert!(
        came.ends_with(b"\0one\xff\0two\xff\xff\0"),
        "{}",
        came.escape_ascii()
    );
    until(|| echo.gone.load(Ordering::Relaxed) == 1).await;
}

/// In Ratchet, each application opens Flash's policy port too, which a second one cannot bind.
#[tokio::test]
async fn two_applications_of_one_machine_open_no_port_but_their_own() {
    let mut members = Vec::new();
    for _ in 0..2 {
        let settings = PortSettings {
            flash_policy: true,
            ..PortSettings::default()
        };
        let site = Site::new(ws(Chat::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = polysock::Gateway::with_site(site, settings);
        members.push(join(&gateway, "rfc6455", 1 << 16).await);
        tokio::spawn(gateway.serve(listener, std::future::pending(), PATIENCE));
        // The policy is served on the port to which the movie connects.
        let mut movie = TcpStream::connect(address).await.unwrap();
        movie.write_all(b"<policy-file-request/>\0").await.unwrap();
        let mut policy = String::new();
        let read = timeout(PATIENCE, movie.read_to_string(&mut policy)).await;
        read.expect("it ends").expect("a policy");
        assert!(policy.contains("cross-domain-policy"), "{policy}");
    }
}

/// A policy that admits clients while it is open.
#[derive(Debug)]
struct Door {
    is_open: Arc<AtomicBool>,
}

impl Policy for Door {
    fn check<'a>(&'a self, _: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>> {
        let admitted = match self.is_open.load(Ordering::Relaxed) {
            true => Ok(Admitted::default()),
            false => Err(Rejection::new(403, "blocked")),
        };
        Box::pin(std::future::ready(admitted))
    }
}

/// In Ratchet, a client that is blocked while connected causes no more events.
#[tokio::test]
async fn a_client_that_is_blocked_later_is_still_reported_until_it_closes() {
    let (echo, is_open) = (Arc::new(Echo::default()), Arc::new(AtomicBool::new(true)));
    let door = Door {
        is_open: Arc::clone(&is_open),
    };
    let gateway = gateway(ws(Arc::clone(&echo)).layer(door));
    let mut member = connect(&gateway, "rfc6455", Way::Tcp).await;
    is_open.store(false, Ordering::Relaxed);
    member.send("still there?").await;
    assert_eq!(member.text().await, "still there?");
    drop(member);
    until(|| echo.gone.load(Ordering::Relaxed) == 1).await;
}

/// In Ratchet, `close` ends the socket immediately, and messages sent before may be lost.
#[tokio::test]
async fn a_close_follows_sent_messages_and_waits_for_the_peer() {
    let echo = Arc::new(Echo::default());
    let gateway = gateway_to(&echo);
    for (count, (name, way)) in ways().enumerate() {
        let mut member = connect(&gateway, name, way).await;
        member.send("bye").await;
        assert_eq!(member.text().await, "bye", "{name} {way:?}");
        assert_eq!(member.message().await, None, "{name} {way:?}");
        assert!(member.closed().clean, "{name} {way:?}");
        drop(member);
        until(|| echo.gone.load(Ordering::Relaxed) == count + 1).await;
    }
}
