//! The side that closes the TCP connection: by RFC 6455 §7.1.1 a client waits for its server. Time
//! is paused in these tests: it advances only while all tasks are idle. An event that has not
//! occurred by then would never have occurred.

use std::time::Duration;

use futures_util::StreamExt;
use polysock::protocols::{Close, CloseCode, Dial, PROTOCOLS, Protocol, SessionConfig};
use polysock::{Connection, Side, upstream};
use polysock_test_support::closing::table::{CLOSE_TIMEOUT, is_bare};
use polysock_test_support::member::{CONTEXT, Member};

/// A client of the library that reads until the end, and its server.
async fn pair(protocol: &'static dyn Protocol) -> (Connection, Member) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let dial = Dial {
        host: "example.com".into(),
        ..Dial::default()
    };
    let session = SessionConfig {
        close_timeout: CLOSE_TIMEOUT,
        ..SessionConfig::default()
    };
    let client = upstream::dial(ours, protocol, &dial, &CONTEXT, session);
    let (client, server) = tokio::join!(client, Member::accept(Box::new(theirs), protocol));
    (client.unwrap(), server)
}

/// Lets the server wait for longer than the client's close timeout, and then close the connection.
async fn hangs_up_at_last(server: &mut Member, name: &str) {
    let hung_up = server.ends_within(4 * CLOSE_TIMEOUT).await;
    assert!(!hung_up, "{name}: the client hung up first");
    server.hang_up().await;
    server.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_answered_a_close_waits_for_its_server() {
    for protocol in PROTOCOLS.iter().filter(|one| !is_bare(one.name())) {
        let (mut client, mut server) = pair(*protocol).await;
        let listens = tokio::spawn(async move {
            assert!(client.next().await.is_none());
            client.closed().unwrap().by
        });
        server.session.close(Some(CloseCode::NORMAL.into()));
        assert_eq!(server.message().await, None, "{}", protocol.name());
        assert!(server.closed().clean, "{}", protocol.name());
        hangs_up_at_last(&mut server, protocol.name()).await;
        assert_eq!(listens.await.unwrap(), Side::Peer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_been_answered_waits_for_its_server() {
    for protocol in PROTOCOLS.iter().filter(|one| !is_bare(one.name())) {
        let (client, mut server) = pair(*protocol).await;
        let closes = tokio::spawn(client.close(Some(Close::from(CloseCode::NORMAL))));
        assert_eq!(server.message().await, None, "{}", protocol.name());
        assert!(server.closed().clean, "{}", protocol.name());
        hangs_up_at_last(&mut server, protocol.name()).await;
        closes.await.unwrap().unwrap();
    }
}

/// A server that neither answers the close nor closes the connection is abandoned in the end.
#[tokio::test(start_paused = true)]
async fn a_client_waits_only_for_a_limited_time_for_the_answer_to_its_close() {
    for protocol in PROTOCOLS.iter().filter(|one| !is_bare(one.name())) {
        for hangs_up in [true, false] {
            let (client, mut server) = pair(*protocol).await;
            let closes = tokio::spawn(client.close(None));
            // The server has received the close, and does not answer it.
            server.waits().await;
            if hangs_up {
                hangs_up_at_last(&mut server, protocol.name()).await;
            } else {
                let left = server.ends_within(Duration::from_secs(60)).await;
                assert!(left, "{}", protocol.name());
            }
            // A missing answer is no error: the connection is closed.
            let _ = closes.await.unwrap();
        }
    }
}
