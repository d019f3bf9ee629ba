//! Admission of clients by passwords, by tokens and by an external endpoint, for WebSockets of each
//! kind and for ordinary requests.

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

/// The identity of a client: the user, the claim `room`, and the field `X-Group`.
fn known(peer: &Peer) -> String {
    let Some(who) = peer.extensions.get::<Authenticated>() else {
        return "nobody".to_owned();
    };
    let known = [who.user(), who.claimed("room"), who.given("X-Group")];
    known.map(|value| value.unwrap_or("-")).join(" ")
}

/// Sends a client its own identity and the subprotocols that it offers.
async fn say_who(handshake: Handshake) -> Result<(), BoxError> {
    let offered = handshake.request().subprotocols.join(",");
    let known = format!("{} [{offered}]", known(handshake.peer()));
    let accept = Accept::first_offered(handshake.request());
    let mut connection = handshake.accept(accept).await?;
    connection.send(known.into()).await?;
    while connection.next().await.is_some() {}
    Ok(())
}

/// A service that answers ordinary requests with the identity of the client.
struct SayWho;

impl Service for SayWho {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let peer = request.extensions().get::<Arc<Peer>>().unwrap();
        let response = Response::new(Body::from(Bytes::from(known(peer))));
        Box::pin(async { response })
    }
}

/// Starts a gateway in all protocols with this policy.
fn guarded(policy: impl Policy) -> SocketAddr {
    let site = Site::new(say_who)
        .with_http(SayWho)
        .with_policies(vec![Box::new(policy)]);
    serve(in_all_protocols(site))
}

/// Sends a request with these fields. Returns the status, the head, and the text that follows.
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

/// Returns the `Authorization` field for a user and a password.
fn basic(user: &str, password: &str) -> String {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {encoded}\r\n")
}

/// Writes a file with this text, at a path that is unique to the test.
fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = std::env::temp_dir().join(format!("polysock-auth-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}
