//! Who is let in: passwords, tokens, and asking elsewhere, for WebSockets of each kind and for ordinary
//! requests.

mod basic;
mod bearer;
mod forward;
mod hostile;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use hyper::{Request, Response};
use polysock::{Accept, Authenticated, Body, BoxError, Handshake, Peer, Policy, Service, Site};
use polysock_test_support::client::Client;
use polysock_test_support::gateway::{in_all_protocols, serve};
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, with};

/// An ordinary request.
const GET: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\n\r\n";

/// What is known of a client: the user, the claim `room`, and the field `X-Group`.
fn known(peer: &Peer) -> String {
    let Some(who) = peer.extensions.get::<Authenticated>() else {
        return "nobody".to_owned();
    };
    let known = [who.user(), who.claimed("room"), who.given("X-Group")];
    known.map(|value| value.unwrap_or("-")).join(" ")
}

/// Says to a client what is known of it, and what it offers.
async fn say_who(handshake: Handshake) -> Result<(), BoxError> {
    let offered = handshake.request().subprotocols.join(",");
    let known = format!("{} [{offered}]", known(handshake.peer()));
    let accept = Accept::first_offered(handshake.request());
    let mut connection = handshake.accept(accept).await?;
    connection.send(known.into()).await?;
    while connection.next().await.is_some() {}
    Ok(())
}

/// Says it to who sends an ordinary request.
struct SayWho;

impl Service for SayWho {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let peer = request.extensions().get::<Arc<Peer>>().unwrap();
        let response = Response::new(Body::from(Bytes::from(known(peer))));
        Box::pin(async { response })
    }
}

/// A gateway in all protocols that lets in whom this policy does.
fn guarded(policy: impl Policy) -> SocketAddr {
    let site = Site::new(say_who)
        .with_http(SayWho)
        .with_policies(vec![Box::new(policy)]);
    serve(in_all_protocols(site))
}

/// The answer to a request with these fields: its head, and the text that comes behind it.
#[track_caller]
fn ask(address: SocketAddr, request: &str, fields: &str) -> (u16, String, String) {
    let mut client = Client::connect(address);
    client.send(with(request, fields));
    if request.contains("Key1") {
        client.send(HIXIE_76_BODY);
    }
    let head = client.head();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let text = match status {
        101 if request.contains("Key1") => {
            if request == HIXIE_76 {
                client.expect(HIXIE_76_DIGEST);
            } else {
                client.take(HIXIE_76_DIGEST.len());
            }
            client.expect([0]);
            let mut text = Vec::new();
            while text.last() != Some(&0xff) {
                text.extend(client.take(1));
            }
            text.pop();
            text
        }
        101 => {
            let header = client.take(2);
            client.take(header[1].into())
        }
        _ => {
            let len = polysock_test_support::opening::field(&head, "content-length");
            client.take(len.unwrap().parse().unwrap())
        }
    };
    (status, head, String::from_utf8(text).unwrap())
}

/// The `Authorization` field of a user and a password.
fn basic(user: &str, password: &str) -> String {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {encoded}\r\n")
}

/// A file of this text, which no other test has.
fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = std::env::temp_dir().join(format!("polysock-auth-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}
