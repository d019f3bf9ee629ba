//! Sites: they can be replaced, policies decide on admission, and one service answers the ordinary
//! requests of both versions of HTTP.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use hyper::{Request as HttpRequest, Response, StatusCode};
use polysock::protocols::Rejection;
use polysock::{
    Accept, Admitted, Body, BoxError, Gateway, Handshake, Peer, Policy, PortSettings, Route,
    Service, Site, Sites, Visitor,
};
use polysock_test_support::client::Client;
use polysock_test_support::gateway::serve;
use polysock_test_support::http2::{self, run};
use polysock_test_support::opening::{RFC6455, assert_status, with};

/// An application that answers each message with this text.
fn says(text: &'static str) -> impl polysock::Application {
    move |handshake: Handshake| async move {
        let mut connection = handshake.accept(Accept::default()).await?;
        connection
            .answer(|_, answers| Ok::<_, BoxError>(answers.send(text)?))
            .await
    }
}

/// A masked text frame without payload.
const ASK: &[u8] = b"\x81\x80\0\0\0\0";

fn heard(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).unwrap();
    [&[0x81, len], text.as_bytes()].concat()
}

#[test]
fn sites_are_replaced_and_open_connections_keep_theirs() {
    let sites = Arc::new(Sites::single(Site::new(says("old"))));
    let gateway = Gateway::with_sites(Arc::clone(&sites), PortSettings::default());
    let address = serve(gateway);
    let open = || {
        let mut client = Client::connect(address);
        client.send(RFC6455);
        assert_status(&client.head(), 101);
        client
    };
    let mut before = open();
    let gone = sites.replace(vec![Route::new(Arc::new(Site::new(says("new"))))]);
    assert_eq!(gone.len(), 1);
    let mut after = open();
    for _ in 0..2 {
        for (client, text) in [(&mut before, "old"), (&mut after, "new")] {
            client.send(ASK);
            client.expect(heard(text));
        }
    }
}

/// A policy that admits clients from this machine that request `/chat`.
#[derive(Debug)]
struct Chosen;

impl Policy for Chosen {
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>> {
        Box::pin(async move {
            let peer = visitor.peer();
            assert!(peer.address.unwrap().ip().is_loopback());
            assert!(peer.local.is_some() && !peer.secure && !visitor.is_secure());
            match visitor.target() {
                "/chat" => Ok(Admitted::default()),
                _ => {
                    let mut rejection = Rejection::new(402, "not for free");
                    rejection.fields.append("X-Price", "7");
                    Err(rejection)
                }
            }
        })
    }
}

#[test]
fn a_policy_is_asked_before_the_application_and_before_the_pages() {
    let site = Site::new(says("in"))
        .with_http(Mirror)
        .with_policies(vec![Box::new(Chosen), Box::new(Chosen)]);
    let address = serve(Gateway::with_site(site, PortSettings::default()));
    let get = "GET /chat HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (request, status) in [(RFC6455, 101), (get, 202)] {
        let mut client = Client::connect(address);
        client.send(request);
        assert_status(&client.head(), status);
        let mut client = Client::connect(address);
        client.send(request.replace("/chat", "/other"));
        let head = client.head();
        assert_status(&head, 402);
        assert!(
            head.to_ascii_lowercase().contains("\r\nx-price: 7\r\n"),
            "{head}"
        );
        client.expect("not for free\n");
    }
}

/// A service that echoes the method, the target and the body of a request, as the body arrives.
struct Mirror;

impl Service for Mirror {
    fn call(&self, request: HttpRequest<Body>) -> BoxFuture<'static, Response<Body>> {
        let peer = request.extensions().get::<Arc<Peer>>();
        assert!(peer.unwrap().address.is_some());
        let (head, body) = request.into_parts();
        let first = format!("{} {}: ", head.method, head.uri.path());
        let first = http_body_util::Full::new(Bytes::from(first)).map_err(BoxError::from);
        let mut response = Response::new(Body::new(Both(Some(Body::new(first)), body)));
        *response.status_mut() = StatusCode::ACCEPTED;
        Box::pin(async { response })
    }
}

/// Two bodies, one after the other.
struct Both(Option<Body>, Body);

impl hyper::body::Body for Both {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(first) = &mut this.0 {
            if let Some(frame) = std::task::ready!(std::pin::Pin::new(first).poll_frame(cx)) {
                return std::task::Poll::Ready(Some(frame));
            }
            this.0 = None;
        }
        std::pin::Pin::new(&mut this.1).poll_frame(cx)
    }
}

fn mirror() -> std::net::SocketAddr {
    let site = Site::new(says("in")).with_http(Mirror);
    serve(Gateway::with_site(site, PortSettings::default()))
}

/// Reads the pieces of a chunked body, up to its end.
fn chunked(client: &mut Client) -> String {
    let mut body = String::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(client.take(1));
        }
        let size = String::from_utf8(line).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        body += &String::from_utf8(client.take(size)).unwrap();
        client.expect("\r\n");
        if size == 0 {
            return body;
        }
    }
}

/// The bytes after a body are the next request, however they are split. A request with an upgrade
/// opens a WebSocket, with its frames.
#[test]
fn a_body_ends_at_its_declared_length_and_a_websocket_may_follow() {
    let counted = "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /";
    let pieces = "POST /b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3\r\nGET\r\n2;x=y\r\n /\r\n0\r\nTrailer: x\r\n\r\n";
    let none = "\r\nDELETE /c HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let all = [
        counted.as_bytes(),
        pieces.as_bytes(),
        none.as_bytes(),
        RFC6455.as_bytes(),
        ASK,
    ]
    .concat();
    let address = mirror();
    for is_whole in [true, false] {
        let mut client = Client::connect(address);
        if is_whole {
            client.send(&all);
        } else {
            client.send_bytewise(&all);
        }
        for expected in ["POST /a: GET /", "POST /b: GET /", "DELETE /c: "] {
            assert_status(&client.head(), 202);
            assert_eq!(chunked(&mut client), expected);
        }
        assert_status(&client.head(), 101);
        client.expect(heard("in"));
    }
}

/// A body without a definite end goes to the service, and no request follows it.
#[test]
fn no_request_follows_a_body_without_a_definite_end() {
    let fields = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
    let request = with("POST /a HTTP/1.1\r\nHost: localhost\r\n\r\n", fields);
    let mut client = Client::connect(mirror());
    client.send([request.as_bytes(), b"0\r\n\r\n", RFC6455.as_bytes()].concat());
    let said = String::from_utf8(client.rest()).unwrap();
    assert!(!said.contains("101 "), "{said}");
}

#[test]
fn a_service_answers_over_http2_as_over_http1() {
    let address = mirror();
    run(async move {
        let mut peer = http2::Peer::connect(address).await;
        let (head, body) = peer.ask("DELETE", "/c").await;
        assert_eq!(head.status(), StatusCode::ACCEPTED);
        assert_eq!(String::from_utf8(body).unwrap(), "DELETE /c: ");
    });
}
