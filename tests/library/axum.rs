//! An axum site next to an application, and an application in an axum router.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::{get, post};
use hyper::Request;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use polysock::apps::Chat;
use polysock::apps::component::ws;
use polysock::axum::{Beside, Mounted};
use polysock::protocols::{PROTOCOLS, find_protocol};
use polysock::{OriginPattern, Origins, Site, SiteSettings};
use polysock_test_support::gateway::in_all_protocols;
use polysock_test_support::http2::Peer;
use polysock_test_support::member::Member;
use polysock_test_support::opening::{RFC6455, with};
use polysock_test_support::{PATIENCE, dial};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower_service::Service;

use super::components::Chat as Component;

fn pages() -> Router {
    let hello = |Path(name): Path<String>| async move { format!("hello, {name}") };
    Router::new()
        .route("/hello/{name}", get(hello))
        .route("/echo", post(|text: String| async { text }))
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Serves a chat next to the pages.
async fn beside() -> SocketAddr {
    let site = Site::new(Chat::new()).with_http(Beside::new(pages()));
    let (listener, address) = listener().await;
    let gateway = in_all_protocols(site);
    tokio::spawn(gateway.serve(listener, pending(), Duration::ZERO));
    address
}

/// Sends an HTTP/1 request with `Connection: close`, and returns the answer.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("an end").expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn axum_answers_ordinary_requests_on_our_port() {
    let address = beside().await;
    for (request, expected) in [
        (
            "GET /hello/ann HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "200 OK hello, ann",
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
            "200 OK abc",
        ),
        (
            "GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "404 Not Found ",
        ),
    ] {
        let answer = ask(address, request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head
            .lines()
            .next()
            .unwrap()
            .strip_prefix("HTTP/1.1 ")
            .unwrap();
        assert_eq!(format!("{status} {body}"), expected);
    }
    let mut peer = Peer::connect(address).await;
    let (response, body) = peer.ask("GET", "/hello/bob").await;
    assert_eq!(
        (response.status().as_u16(), &*body),
        (200, &b"hello, bob"[..])
    );
    for protocol in PROTOCOLS {
        let stream = Box::new(TcpStream::connect(address).await.unwrap());
        let mut member = Member::open(stream, *protocol).await;
        let welcome = member.text().await;
        assert!(welcome.starts_with("welcome\tguest-"), "{welcome}");
    }
}

/// Serves a chat mounted in the router of the pages, with axum's own server.
async fn within(mounted: Mounted) -> SocketAddr {
    let (listener, address) = listener().await;
    let router = pages()
        .route_service("/chat", mounted.clone())
        .route_service("/", mounted);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn an_application_in_axum_serves_all_protocols_that_hyper_can_upgrade() {
    let chat = Mounted::new(ws(Component::default())).protocols(PROTOCOLS);
    let address = within(chat).await;
    let mut members = Vec::new();
    for protocol in PROTOCOLS {
        if protocol.literal_lines() > 0 {
            continue;
        }
        let stream = Box::new(TcpStream::connect(address).await.unwrap());
        let mut member = Member::open(stream, *protocol).await;
        assert_eq!(member.text().await, "welcome");
        members.push(member);
    }
    assert!(members.len() >= 10);
    let (first, rest) = members.split_first_mut().unwrap();
    first.send("hello").await;
    for member in rest {
        assert_eq!(member.text().await, "hello");
    }
    let old = find_protocol("hixie-75").unwrap();
    let dial = polysock::protocols::Dial {
        host: "example.com".into(),
        ..Default::default()
    };
    let (response, _) = tokio::task::spawn_blocking(move || dial::ask(old, address, &dial))
        .await
        .unwrap();
    assert_eq!(response.head.status(), Some(501));
    let page = ask(
        address,
        "GET /hello/ann HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(page.ends_with("hello, ann"), "{page}");
}

#[tokio::test]
async fn handshakes_in_axum_are_refused_as_on_a_port() {
    let page: OriginPattern = "http://example.com".parse().unwrap();
    let settings = SiteSettings {
        origins: Origins::Listed(vec![page]),
        ..SiteSettings::default()
    };
    let site = Site::new(Chat::new()).with_settings(settings);
    let address = within(Mounted::of(site.into())).await;
    let chat = |fields: &str| with(RFC6455, &format!("Connection: close\r\n{fields}"));
    for (request, status) in [
        (chat("Origin: http://example.org\r\n"), "403"),
        (chat("").replace("Version: 13", "Version: 99"), "426"),
        (
            chat("").replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
            "400",
        ),
        (
            "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
            "426",
        ),
    ] {
        let answer = ask(address, &request).await;
        let refused = answer.split(' ').nth(1);
        assert_eq!(refused, Some(status), "{answer}");
    }
}

/// Over HTTP/2, on a server with extended CONNECT, which axum's own server does not enable.
#[tokio::test]
async fn an_application_is_mounted_on_streams_too() {
    let (listener, address) = listener().await;
    let router: Router = pages().route_service("/chat", Mounted::new(ws(Component::default())));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let mut router = router.clone();
            async move {
                let response = router.call(request.map(Body::new)).await;
                Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
            }
        });
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.enable_connect_protocol();
        builder
            .serve_connection(TokioIo::new(stream), service)
            .await
    });
    let mut peer = Peer::connect(address).await;
    let mut socket = peer.websocket().await;
    socket
        .expect(polysock_test_support::frame::unmasked(0x81, "welcome"))
        .await;
    socket.send(polysock_test_support::frame::close(1000)).await;
    socket
        .expect(polysock_test_support::frame::unmasked(0x88, b"\x03\xe8"))
        .await;
}
