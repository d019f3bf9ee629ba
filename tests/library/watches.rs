//! Data that policies attach to clients, and policies that end connections after admission.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use hyper::{Request, Response};
use polysock::apps::Layered;
use polysock::protocols::Rejection;
use polysock::{
    Accept, Admitted, Body, BoxError, CloseCode, Extensions, Handshake, Peer, Policy, Service,
    Side, Site, Visitor, Watch,
};
use polysock_test_support::client::Client;
use polysock_test_support::dial::dial;
use polysock_test_support::gateway::{in_all_protocols, serve};
use polysock_test_support::opening::{RFC6455, assert_status, with};
use tokio::sync::watch;

/// A value that a policy has found.
#[derive(Clone)]
struct Number(u32);

/// A policy that admits clients with the field `X-Number`, and ends their connections on a signal.
#[derive(Debug)]
struct Numbered {
    ended: watch::Receiver<bool>,
}

impl Policy for Numbered {
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>> {
        let target = visitor.target();
        let number = target.split_once("?number=").map(|(_, number)| number);
        let number = number.and_then(|number| number.parse().ok());
        let mut ended = self.ended.clone();
        Box::pin(async move {
            let number = number.ok_or_else(|| Rejection::new(403, "no number"))?;
            let mut extensions = Extensions::new();
            extensions.insert(Number(number));
            Ok(Admitted {
                extensions,
                watch: Some(Watch::new(async move {
                    ended.wait_for(|ended| *ended).await.ok();
                    CloseCode::POLICY_VIOLATION
                })),
                ..Admitted::default()
            })
        })
    }
}

fn number(peer: &Peer) -> String {
    let number = peer.extensions.get::<Number>();
    number.map_or("none".to_owned(), |Number(number)| number.to_string())
}

async fn say_number(handshake: Handshake) -> Result<(), BoxError> {
    let number = number(handshake.peer());
    let mut connection = handshake.accept(Accept::default()).await?;
    connection.send(number.into()).await?;
    while let Some(message) = connection.next().await.transpose()? {
        connection.send(message).await?;
    }
    Ok(())
}

struct SayNumber;

impl Service for SayNumber {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let peer = request.extensions().get::<Arc<Peer>>().unwrap();
        let response = Response::new(Body::from(Bytes::from(number(peer))));
        Box::pin(async { response })
    }
}

fn serve_site(site: Site) -> SocketAddr {
    serve(in_all_protocols(site))
}

/// The same policy on a site, and in a layer around an application.
fn both() -> (watch::Sender<bool>, [SocketAddr; 2]) {
    let (end, ended) = watch::channel(false);
    let policy = || Numbered {
        ended: ended.clone(),
    };
    let of_site = Site::new(say_number)
        .with_http(SayNumber)
        .with_policies(vec![Box::new(policy())]);
    let around = Site::new(say_number.layer(policy()));
    (end, [serve_site(of_site), serve_site(around)])
}

#[test]
fn a_peer_carries_the_findings_of_a_policy() {
    let (_end, [site, around]) = both();
    for address in [site, around] {
        let mut client = Client::connect(address);
        client.send(RFC6455.replace("/chat", "/chat?number=7"));
        assert_status(&client.head(), 101);
        client.expect(b"\x81\x017");
        let mut client = Client::connect(address);
        client.send(RFC6455);
        assert_status(&client.head(), 403);
    }
    let mut client = Client::connect(site);
    client.send("GET /?number=42 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_status(&client.head(), 200);
    client.expect("42");
    client.send(with("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""));
    assert_status(&client.head(), 403);
}

#[tokio::test]
async fn the_policy_that_admitted_a_connection_can_end_it() {
    let (end, addresses) = both();
    let mut open = Vec::new();
    for address in addresses {
        for protocol in ["hixie-75", "hixie-76", "hybi-10", "rfc6455"] {
            let mut connection = dial(protocol, format!("{address}/?number=7"), &[]).await;
            for text in ["7", "still here"] {
                if text != "7" {
                    connection.send(text.into()).await.unwrap();
                }
                let message = connection.next().await.unwrap().unwrap();
                assert_eq!(message.as_text(), Some(text));
            }
            open.push((protocol, connection));
        }
    }
    end.send(true).unwrap();
    for (protocol, mut connection) in open {
        assert!(connection.next().await.is_none(), "{protocol}");
        let closed = connection.closed().expect("it is over");
        assert_eq!(closed.by, Side::Peer, "{protocol}");
        let code = closed.close.as_ref().map(|close| close.code);
        let expected = match protocol {
            "rfc6455" => Some(CloseCode::POLICY_VIOLATION),
            // Version 8 has no 1008.
            "hybi-10" => Some(CloseCode::PROTOCOL_ERROR),
            _ => None,
        };
        assert_eq!(code, expected, "{protocol}");
    }
}
