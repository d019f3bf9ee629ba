//! Authentication by an HTTP endpoint.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::{Request, Response};
use polysock::auth::{ForwardAuth, ForwardAuthSettings};
use polysock::upstream::UpstreamSettings;
use polysock::{Body, Gateway, PortSettings, Service, Site};
use polysock_test_support::gateway::serve;
use polysock_test_support::http2;
use polysock_test_support::opening::{HIXIE_76, RFC6455, field, with};

use super::{GET, ask, guarded, say_who};

/// An authentication endpoint. It admits clients with the cookie `sid=1` and echoes the received
/// fields in `X-Group`. The answer to other clients depends on the path of their request.
struct Endpoint;

impl Service for Endpoint {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        assert_eq!(request.method(), "GET");
        assert_eq!(request.uri(), "/check?a=b");
        let value = |name: &str| {
            let values = request.headers().get_all(name).iter();
            let values: Vec<&str> = values.map(|value| value.to_str().unwrap()).collect();
            values.join("+")
        };
        let uri = value("x-forwarded-uri");
        let answer = Response::builder();
        let answer = match (&*value("cookie"), uri.trim_start_matches('/')) {
            ("a=b; sid=1" | "sid=1", _) => {
                let told = [
                    "authorization",
                    "origin",
                    "x-forwarded-for",
                    "x-forwarded-proto",
                    "x-forwarded-host",
                    "x-forwarded-method",
                    "x-forwarded-uri",
                    "x-key",
                    "x-other",
                ];
                answer
                    .header("X-Group", told.map(value).join("|"))
                    .header("X-User", "ann")
            }
            (_, "login") => answer
                .status(302)
                .header("Location", "https://login.example/"),
            (_, "large") => {
                let body = Body::from(Bytes::from(vec![b'x'; 65_537]));
                let large = answer
                    .status(403)
                    .header("content-language", "en")
                    .body(body);
                return Box::pin(async { large.unwrap() });
            }
            (_, status) => answer
                .status(status.parse::<u16>().unwrap_or(401))
                .header("WWW-Authenticate", "Custom a=b")
                .header("Content-Type", "text/html")
                .header("Set-Cookie", "c=d"),
        };
        let answer = answer.body(Body::from(Bytes::from_static(b"<p>who?")));
        Box::pin(async { answer.unwrap() })
    }
}

fn asks(endpoint: SocketAddr) -> SocketAddr {
    let settings = ForwardAuthSettings {
        send: vec!["x-key".parse().unwrap()],
        pass: vec!["x-group".parse().unwrap()],
        user: Some("x-user".parse().unwrap()),
        timeout: Duration::from_millis(300),
    };
    let url = format!("http://{endpoint}/check?a=b");
    guarded(ForwardAuth::new(&url, settings, UpstreamSettings::default()).unwrap())
}

fn endpoint() -> SocketAddr {
    let site = Site::new(say_who).with_http(Endpoint);
    serve(Gateway::with_site(site, PortSettings::default()))
}

#[test]
fn fields_of_an_admitting_endpoint_identify_the_client() {
    let address = asks(endpoint());
    let fields = "Cookie: a=b\r\nCookie: sid=1\r\nAuthorization: Digest x\r\nX-Key: 7\r\nX-Other: 8\r\n\
                  X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-Method: DELETE\r\nX-User: mallory\r\nX-Group: root\r\n";
    let of_page = with(RFC6455, "Origin: http://page.example\r\n").replace("/chat", "/a?b=c");
    for (request, status, expected) in [
        (
            &*of_page,
            101,
            "ann - Digest x|http://page.example|127.0.0.1|http|server.example.com|GET|/a?b=c|7| []",
        ),
        (
            &GET.replace("GET", "OPTIONS"),
            200,
            "ann - Digest x||127.0.0.1|http|server.example.com|OPTIONS|/chat|7|",
        ),
        (
            HIXIE_76,
            101,
            "ann - Digest x|http://example.com|127.0.0.1|http|example.com|GET|/demo|7| []",
        ),
    ] {
        let (found, _, text) = ask(address, request, fields);
        assert_eq!((found, &*text), (status, expected));
    }
}

#[test]
fn a_refusal_of_the_endpoint_is_the_response() {
    let address = asks(endpoint());
    for request in [RFC6455, GET, HIXIE_76] {
        let at = |path: &str| request.replace("/chat", path).replace("/demo", path);
        let (status, head, text) = ask(address, &at("/x"), "");
        assert_eq!((status, &*text), (401, "<p>who?"));
        assert_eq!(field(&head, "www-authenticate"), Some("Custom a=b"));
        assert_eq!(field(&head, "content-type"), Some("text/html"));
        assert_eq!(field(&head, "set-cookie"), Some("c=d"));
        let (status, head, _) = ask(address, &at("/login"), "");
        assert_eq!(status, 302);
        assert_eq!(field(&head, "location"), Some("https://login.example/"));
        for status in [303, 400, 403, 500, 599] {
            assert_eq!(ask(address, &at(&format!("/{status}")), "").0, status);
        }
        let (status, head, text) = ask(address, &at("/large"), "");
        assert_eq!((status, &*text), (403, "not authorized\n"));
        assert_eq!(field(&head, "content-language"), None);
        let (status, head, _) = ask(address, &at("/304"), "");
        assert_eq!(status, 503);
        assert!(field(&head, "retry-after").is_some());
    }
    http2::run(async move {
        let mut peer = http2::Peer::connect(address).await;
        let version = ("sec-websocket-version", "13");
        let (status, fields, text) = peer.refused_at("websocket", "/login", &[version]).await;
        assert_eq!((status, &*text), (302, "<p>who?"));
        assert_eq!(fields["location"], "https://login.example/");
    });
}

#[test]
fn an_unreachable_endpoint_admits_no_client() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    // The kernel queues the connection in the backlog, and the server never answers.
    let silent = asks(address);
    assert_eq!(ask(silent, RFC6455, "").0, 503);
    assert_eq!(ask(silent, GET, "").0, 503);
    drop(gone);
    let (status, head, _) = ask(silent, GET, "Cookie: sid=1\r\n");
    assert_eq!(status, 503);
    assert!(field(&head, "retry-after").is_some());
}
