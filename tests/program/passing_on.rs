//! The parts of both opening handshakes that a gateway forwards: fields, targets and refusals.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use polysock::protocols::{Dial, PROTOCOLS, Protocol, Response, find_protocol};
use polysock::{Accept, BoxError, Fields, Gateway, Handshake, PortSettings, Rejection, Site};
use polysock_test_support::client::Client;
use polysock_test_support::dial::ask;
use polysock_test_support::opening::{RFC6455, field, with};
use polysock_test_support::{gateway, http2};

use crate::POLYSOCK;

/// The status and the fields of each refusal of [`server`]. The path selects the status.
const REFUSALS: &[(u16, &[(&str, &str)])] = &[
    (300, &[("Location", "/other"), ("Alternates", "a")]),
    (302, &[("Location", "https://login.example/")]),
    (308, &[("Location", "/new")]),
    (401, &[("WWW-Authenticate", "Basic realm=\"meters\"")]),
    (405, &[("Allow", "GET, POST")]),
    (407, &[("Proxy-Authenticate", "Basic")]),
    (426, &[("Upgrade", "HTTP/3.0")]),
    (429, &[("Retry-After", "120")]),
    (503, &[("Retry-After", "7"), ("Content-Type", "text/html")]),
    (599, &[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
];

/// The fields with which [`server`] accepts.
const ACCEPTED: &[(&str, &str)] = &[
    ("Set-Cookie", "route=node7; Path=/"),
    ("Set-Cookie", "b=2"),
    ("X-Node", "7"),
];

/// A server of the library in every protocol, behind a gateway in all of them. It refuses if the
/// path is a status, and sends the fields above.
async fn answer(handshake: Handshake) -> Result<(), BoxError> {
    let status = handshake.request().path().trim_start_matches('/').parse();
    if let Some((status, fields)) = status
        .ok()
        .and_then(|status: u16| REFUSALS.iter().find(|(other, _)| *other == status))
    {
        let mut rejection = Rejection::new(*status, "not now");
        rejection.fields.extend(fields.iter().copied());
        handshake.reject(rejection);
        return Ok(());
    }
    let accept = Accept {
        fields: ACCEPTED.iter().copied().collect(),
        ..Accept::default()
    };
    Ok(handshake.accept(accept).await?.close(None).await?)
}

fn server() -> SocketAddr {
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..Default::default()
    };
    gateway::serve(Gateway::with_site(Site::new(answer), settings))
}

/// Pairs of protocols before and behind a gateway. Each protocol is on each side at least once.
fn pairs() -> impl Iterator<Item = (&'static dyn Protocol, &'static dyn Protocol)> {
    let rfc6455 = find_protocol("rfc6455").unwrap();
    let before = PROTOCOLS.iter().map(move |protocol| (*protocol, rfc6455));
    before.chain(PROTOCOLS.iter().map(move |protocol| (rfc6455, *protocol)))
}

fn dial(target: &str) -> Dial {
    Dial {
        target: target.into(),
        ..Dial::default()
    }
}

#[track_caller]
fn assert_has(response: &Response, fields: &[(&str, &str)], context: &str) {
    for (name, _) in fields {
        let values = response.head.values(name).map(String::from_utf8_lossy);
        let expected = fields.iter().filter(|(other, _)| other == name);
        assert!(
            values.eq(expected.map(|(_, value)| *value)),
            "{context}: {name}"
        );
    }
}

#[test]
fn a_refusal_is_passed_on_with_its_fields_and_body_in_every_protocol() {
    let server = server();
    for (before, behind) in pairs() {
        let url = format!("ws+{}://{server}", behind.name().replace('-', ""));
        let gateway = POLYSOCK.serve(&["--protocols", "all", &url]);
        for (status, fields) in REFUSALS {
            let context = format!("{} to {}: {status}", before.name(), behind.name());
            let (response, mut client) = ask(before, gateway.address, &dial(&format!("/{status}")));
            assert_eq!(response.head.status(), Some(*status), "{context}");
            assert_has(&response, fields, &context);
            assert_eq!(client.rest(), b"not now\n", "{context}");
        }
    }
}

#[test]
fn a_refusal_is_passed_on_over_http2() {
    let gateway = POLYSOCK.serve(&[&format!("ws://{}", server())]);
    http2::run(async move {
        let mut peer = http2::Peer::connect(gateway.address).await;
        for (status, fields) in REFUSALS {
            let version = [("sec-websocket-version", "13")];
            let target = format!("/{status}");
            let (found, found_fields, body) = peer.refused_at("websocket", &target, &version).await;
            assert_eq!((found, &*body), (*status, "not now\n"));
            // RFC 9113 §8.2.2: HTTP/2 has no `Upgrade` field.
            for (name, value) in fields.iter().filter(|(name, _)| *name != "Upgrade") {
                let mut values = found_fields.get_all(*name).iter();
                assert!(values.any(|found| found == value), "{status}: {name}");
            }
        }
    });
}

/// Starts a server that answers every request with these bytes, and closes.
fn scripted(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut client = Client::over(stream.unwrap());
            client.head();
            client.send(answer);
        }
    });
    format!("ws://{address}")
}

#[test]
fn a_refusal_loses_its_hop_by_hop_fields_and_is_framed_again() {
    let upstream = scripted(
        "HTTP/1.1 503 Too Busy\r\n\
         Connection: keep-alive, X-Hop\r\n\
         Keep-Alive: timeout=5\r\n\
         X-Hop: 1\r\n\
         Sec-WebSocket-Version: 12\r\n\
         Transfer-Encoding: chunked\r\n\
         ETag: \"a\"\r\n\r\n\
         4\r\nbusy\r\n2;a\r\n!\n\r\n0\r\n\r\n",
    );
    let gateway = POLYSOCK.serve(&[&upstream]);
    let (mut client, head) = gateway.answers(RFC6455, 503);
    assert_eq!(field(&head, "ETag"), Some("\"a\""));
    assert_eq!(field(&head, "Content-Length"), Some("6"));
    assert_eq!(
        field(&head, "Content-Type"),
        Some("application/octet-stream")
    );
    assert_eq!(field(&head, "Connection"), Some("close"));
    for gone in [
        "X-Hop",
        "Keep-Alive",
        "Sec-WebSocket-Version",
        "Transfer-Encoding",
    ] {
        assert_eq!(field(&head, gone), None);
    }
    assert_eq!(client.rest(), b"busy!\n");
}

#[test]
fn a_refusal_with_a_truncated_body_is_passed_on_without_it() {
    let upstream = scripted(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Type: text/html\r\n\
         Content-Encoding: gzip\r\nContent-Length: 1000\r\n\r\nhalf",
    );
    let gateway = POLYSOCK.serve(&[&upstream]);
    let (mut client, head) = gateway.answers(RFC6455, 401);
    assert_eq!(field(&head, "WWW-Authenticate"), Some("Basic"));
    assert_eq!(field(&head, "Content-Encoding"), None);
    assert_eq!(client.rest(), b"refused by the upstream\n");
}

#[test]
fn an_answer_that_neither_accepts_nor_refuses_is_a_bad_gateway() {
    let upstream = scripted("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    POLYSOCK.serve(&[&upstream]).answers(RFC6455, 502);
}

#[test]
fn the_fields_of_a_101_are_passed_on_in_every_protocol() {
    let server = server();
    for (before, behind) in pairs() {
        let url = format!("ws+{}://{server}", behind.name().replace('-', ""));
        let gateway = POLYSOCK.serve(&["--protocols", "all", &url]);
        let context = format!("{} to {}", before.name(), behind.name());
        let (response, _) = ask(before, gateway.address, &dial("/"));
        assert_eq!(response.head.status(), Some(101), "{context}");
        assert_has(&response, ACCEPTED, &context);
        let own = |name: &&str| response.head.values(name).count() > 1;
        let once = ["Upgrade", "Connection", "Sec-WebSocket-Accept"];
        assert_eq!(once.iter().find(|name| own(name)), None, "{context}");
    }
}

#[test]
fn the_fields_of_a_101_are_passed_on_over_http2() {
    let gateway = POLYSOCK.serve(&[&format!("ws://{}", server())]);
    http2::run(async move {
        let mut peer = http2::Peer::connect(gateway.address).await;
        let (_socket, fields) = peer.websocket_with(&[]).await;
        let cookies: Vec<_> = fields.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["route=node7; Path=/", "b=2"]);
        assert_eq!(fields["x-node"], "7");
    });
}

/// A server that refuses every request, and answers with its request line and fields.
async fn repeat(handshake: Handshake) -> Result<(), BoxError> {
    let head = String::from_utf8_lossy(handshake.request().head.as_bytes()).into_owned();
    let rejection = Rejection {
        status: 400,
        fields: Fields::from([("Content-Type", "text/plain")]),
        body: head.into(),
        cause: None,
    };
    handshake.reject(rejection);
    Ok(())
}

fn repeating() -> SocketAddr {
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..Default::default()
    };
    gateway::serve(Gateway::with_site(Site::new(repeat), settings))
}

/// Returns the RFC 6455 request that the upstream of a gateway receives.
fn seen(gateway: &polysock_test_support::server::Server, request: &str) -> String {
    let (mut client, _) = gateway.answers(request, 400);
    String::from_utf8(client.rest()).unwrap()
}

#[test]
fn an_upstream_receives_all_end_to_end_fields_and_the_client_address() {
    let server = repeating();
    for protocol in PROTOCOLS {
        let url = format!("ws+{}://{server}", protocol.name().replace('-', ""));
        let gateway = POLYSOCK.serve(&[&url]);
        let request = with(
            RFC6455,
            "Cookie: a=1\r\nX-Request-Id: 7\r\nTraceparent: 00-1-2-01\r\nX-Api-Key: k\r\n\
             User-Agent: kiosk\r\nOrigin: http://page.example\r\nKeep-Alive: timeout=5\r\n\
             TE: trailers\r\nX-Hop: 1\r\n",
        );
        let request = request.replace("Connection: Upgrade", "Connection: Upgrade, X-Hop");
        let head = seen(&gateway, &request);
        for (name, expected) in [
            ("Cookie", Some("a=1")),
            ("X-Request-Id", Some("7")),
            ("Traceparent", Some("00-1-2-01")),
            ("X-Api-Key", Some("k")),
            ("User-Agent", Some("kiosk")),
            ("X-Forwarded-For", Some("127.0.0.1")),
            ("X-Forwarded-Proto", Some("http")),
            ("X-Forwarded-Host", Some("server.example.com")),
            ("Host", Some(&*server.to_string())),
            ("Connection", Some("Upgrade")),
            ("Keep-Alive", None),
            ("TE", None),
            ("X-Hop", None),
        ] {
            assert_eq!(field(&head, name), expected, "{name} in {head}");
        }
        let origins = ["Origin", "Sec-WebSocket-Origin"].map(|name| field(&head, name));
        let origins: Vec<_> = origins.into_iter().flatten().collect();
        assert_eq!(origins, ["http://page.example"], "{head}");
    }
}

#[test]
fn an_upstream_receives_the_client_address_in_every_protocol_and_over_http2() {
    let url = format!("ws://{}", repeating());
    let gateway = POLYSOCK.serve(&["--protocols", "all", "--secure", &url]);
    for protocol in PROTOCOLS {
        let mut asked = dial("/");
        asked.fields.append("X-Request-Id", "7");
        let (_, mut client) = ask(*protocol, gateway.address, &asked);
        let head = String::from_utf8(client.rest()).unwrap();
        assert_eq!(field(&head, "X-Request-Id"), Some("7"), "{head}");
        assert_eq!(field(&head, "X-Forwarded-For"), Some("127.0.0.1"));
        assert_eq!(field(&head, "X-Forwarded-Proto"), Some("https"));
        let host = gateway.address.to_string();
        assert_eq!(field(&head, "X-Forwarded-Host"), Some(&*host));
        assert_eq!(field(&head, "Sec-WebSocket-Version"), Some("13"));
    }
    http2::run(async move {
        let mut peer = http2::Peer::connect(gateway.address).await;
        let fields = [("sec-websocket-version", "13"), ("x-request-id", "7")];
        let (_, _, head) = peer.refused("websocket", &fields).await;
        assert_eq!(field(&head, "X-Request-Id"), Some("7"), "{head}");
        assert_eq!(field(&head, "X-Forwarded-For"), Some("127.0.0.1"));
        assert_eq!(field(&head, "X-Forwarded-Host"), Some("localhost"));
    });
}

#[test]
fn forwarding_fields_of_a_trusted_proxy_are_kept() {
    let arguments = ["--forwarded", "127.0.0.0/8"];
    let gateway = POLYSOCK.serve(&[&arguments[..], &[&format!("ws://{}", repeating())]].concat());
    let request = with(
        RFC6455,
        "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: gw.example\r\nx-forwarded-for: 10.0.0.1, 10.0.0.2\r\n",
    );
    let head = seen(&gateway, &request);
    let path = "203.0.113.9, 10.0.0.1, 10.0.0.2, 127.0.0.1";
    assert_eq!(field(&head, "X-Forwarded-For"), Some(path));
    assert_eq!(field(&head, "X-Forwarded-Proto"), Some("https"));
    assert_eq!(field(&head, "X-Forwarded-Host"), Some("gw.example"));
}

#[test]
fn forwarding_fields_of_an_untrusted_client_are_dropped() {
    let gateway = POLYSOCK.serve(&[&format!("ws://{}", repeating())]);
    let request = with(
        RFC6455,
        "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: gw.example\r\nX-Forwarded-Prefix: /a\r\nX-Real-IP: 203.0.113.9\r\n\
         Forwarded: for=203.0.113.9;proto=https\r\nX_Forwarded_For: 203.0.113.9\r\n",
    );
    let head = seen(&gateway, &request);
    for (name, expected) in [
        ("X-Forwarded-For", Some("127.0.0.1")),
        ("X-Forwarded-Proto", Some("http")),
        ("X-Forwarded-Host", Some("server.example.com")),
        ("X-Forwarded-Port", Some("80")),
        ("X-Real-IP", Some("127.0.0.1")),
        ("X-Forwarded-Prefix", None),
        ("X_Forwarded_For", None),
        ("Forwarded", None),
    ] {
        assert_eq!(field(&head, name), expected, "{name} in {head}");
    }
}

#[test]
fn the_query_always_reaches_the_upstream_and_the_path_where_the_url_ends_in_a_slash() {
    let server = repeating();
    for (path, asked, expected) in [
        ("", "/CP001?token=abc", "/CP001?token=abc"),
        ("/ocpp", "/CP001?token=abc", "/ocpp?token=abc"),
        ("/ocpp?k=1", "/CP001?token=abc", "/ocpp?k=1&token=abc"),
        ("/ocpp/", "/CP001?token=abc", "/ocpp/CP001?token=abc"),
        ("/ocpp/", "/a%2Fb", "/ocpp/a%2Fb"),
    ] {
        let gateway = POLYSOCK.serve(&[&format!("ws://{server}{path}")]);
        let head = seen(&gateway, &RFC6455.replace("/chat", asked));
        let line = format!("GET {expected} HTTP/1.1\r\n");
        assert!(head.starts_with(&line), "{path} {asked}: {head}");
    }
    let gateway = POLYSOCK.serve(&[&format!("ws://{server}/ocpp/")]);
    for out in ["/../admin", "/%2e%2e/admin", "/a/..%2f../admin"] {
        let (mut client, _) = gateway.answers(RFC6455.replace("/chat", out), 400);
        assert_eq!(client.rest(), b"the path has a segment `..`\n", "{out}");
    }
}
