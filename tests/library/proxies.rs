//! Proxies in front: the gateway believes the client addresses from trusted proxies, and only from
//! those.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use hyper::{Request, Response};
use polysock::protocols::{PROTOCOLS, ProxiedEnds, ProxyHeader, ProxyVersion};
use polysock::{
    Accept, Body, BoxError, ConnectionLimits, Gateway, Handshake, Peer, PortSettings, Rejection,
    Service, Site, Trusted, TrustedHop,
};
use polysock_test_support::client::Client;
use polysock_test_support::gateway::serve;
use polysock_test_support::http2::{self, run};
use polysock_test_support::opening::{
    HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, RFC6455, assert_status, field, with,
};
use tokio::io::{AsyncWriteExt, duplex};

/// Formats the known facts about a client: its address, the scheme and the requested host.
fn known(peer: &Peer, host: &str) -> String {
    let address = peer.address.map_or("nobody".into(), |at| at.to_string());
    let scheme = if peer.secure { "https" } else { "http" };
    format!("{address} {scheme} {host}")
}

/// Accepts `/demo`, and sends every other client the known facts about it.
async fn tell(handshake: Handshake) -> Result<(), BoxError> {
    if handshake.request().path() == "/demo" {
        let mut connection = handshake.accept(Accept::default()).await?;
        return connection
            .answer(|message, answers| Ok::<_, BoxError>(answers.send(message)?))
            .await;
    }
    let known = known(handshake.peer(), &handshake.request().host);
    handshake.reject(Rejection::new(409, known));
    Ok(())
}

/// A service that does the same for ordinary requests.
struct Tell;

impl Service for Tell {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let peer = request.extensions().get::<Arc<Peer>>().unwrap();
        let hop = peer.extensions.get::<TrustedHop>();
        let host = hop.and_then(|hop| hop.host.as_deref());
        let said = format!("{}\n", known(peer, host.unwrap_or("-")));
        Box::pin(async { Response::new(Body::from(Bytes::from(said))) })
    }
}

fn gateway(settings: PortSettings) -> Gateway {
    let site = Site::new(tell).with_http(Tell);
    let protocols = PROTOCOLS.to_vec();
    Gateway::with_site(
        site,
        PortSettings {
            protocols,
            ..settings
        },
    )
}

/// The networks of this machine.
fn loopback() -> Trusted {
    vec!["127.0.0.0/8".parse().unwrap()].into()
}

fn proxied() -> PortSettings {
    PortSettings {
        proxy_protocol: loopback(),
        handshake_timeout: Duration::from_secs(2),
        ..PortSettings::default()
    }
}

fn header(source: &str, version: ProxyVersion, secure: bool) -> Vec<u8> {
    let source: SocketAddr = source.parse().unwrap();
    let ends = ProxiedEnds::Tcp {
        source,
        destination: SocketAddr::new(source.ip(), 443),
    };
    let mut bytes = BytesMut::new();
    ProxyHeader { ends, secure }.write(version, &mut bytes);
    bytes.to_vec()
}

const GET: &str = "GET / HTTP/1.1\r\nHost: server.example.com\r\n\r\n";

/// Reads an answer with a `Content-Length`, and returns its body.
fn told(client: &mut Client, status: u16) -> String {
    let head = client.head();
    assert_status(&head, status);
    let len = field(&head, "Content-Length").unwrap().parse().unwrap();
    let body = String::from_utf8(client.take(len)).unwrap();
    body.trim_end().to_owned()
}

#[test]
fn a_proxy_header_names_the_client_of_a_connection() {
    let address = serve(gateway(proxied()));
    let v6 = "[2001:db8::7]:51234";
    for (header, client_address, scheme) in [
        (
            header("203.0.113.7:51234", ProxyVersion::V1, false),
            Some("203.0.113.7:51234"),
            "http",
        ),
        (header(v6, ProxyVersion::V1, false), Some(v6), "http"),
        (header(v6, ProxyVersion::V2, false), Some(v6), "http"),
        (
            header("203.0.113.7:51234", ProxyVersion::V2, true),
            Some("203.0.113.7:51234"),
            "https",
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), None, "http"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), None, "http"),
    ] {
        for is_bytewise in [false, true] {
            let ask = |request: &str| {
                let mut client = Client::connect(address);
                let bytes = [&header, request.as_bytes()].concat();
                if is_bytewise {
                    client.send_bytewise(bytes);
                } else {
                    client.send(bytes);
                }
                client
            };
            let mut client = ask(RFC6455);
            let own = client.address().to_string();
            let expected = client_address.unwrap_or(&own);
            let said = told(&mut client, 409);
            assert_eq!(said, format!("{expected} {scheme} server.example.com"));
            let mut client = ask(GET);
            let own = client.address().to_string();
            let expected = client_address.unwrap_or(&own);
            assert_eq!(told(&mut client, 200), format!("{expected} {scheme} -"));
        }
    }
}

#[test]
fn a_trusted_proxy_without_a_valid_proxy_header_is_closed() {
    let address = serve(gateway(proxied()));
    for bytes in [
        RFC6455.as_bytes(),
        GET.as_bytes(),
        b"PROXY TCP4 203.0.113.7 192.0.2.1 51234\r\nGET / HTTP/1.1\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31",
        // An incomplete header, after which the client sends nothing.
        b"PROXY TCP4 203.0.",
    ] {
        let mut client = Client::connect(address);
        client.send(bytes);
        client.gone();
    }
}

#[test]
fn a_proxy_header_of_an_untrusted_peer_is_no_request() {
    for trusted in [
        Trusted::default(),
        vec!["10.0.0.0/8".parse().unwrap()].into(),
    ] {
        let settings = PortSettings {
            proxy_protocol: trusted,
            ..PortSettings::default()
        };
        let address = serve(gateway(settings));
        let mut client = Client::connect(address);
        client.send(header("203.0.113.7:1", ProxyVersion::V1, false));
        client.send(GET);
        assert_status(&client.head(), 400);
        let mut client = Client::connect(address);
        client.send(header("203.0.113.7:1", ProxyVersion::V2, false));
        client.gone();
    }
}

#[test]
fn a_proxy_header_may_precede_http2_and_come_over_any_transport() {
    run(async {
        let settings = PortSettings {
            proxy_protocol: Trusted {
                unix: true,
                ..Trusted::default()
            },
            ..PortSettings::default()
        };
        let (mut near, far) = duplex(1 << 16);
        let gateway = gateway(settings);
        tokio::spawn(async move { gateway.serve_connection(far, Peer::default()).await });
        let header = header("203.0.113.7:51234", ProxyVersion::V2, false);
        near.write_all(&header).await.unwrap();
        let mut peer = http2::Peer::over(near).await;
        let (_, said) = peer.ask("GET", "/").await;
        assert_eq!(said, b"203.0.113.7:51234 http -\n");
    });
}

/// Fields from a trusted proxy (10.0.0.0/8 is trusted), and the facts that they yield.
const TOLD: &[(&str, &str)] = &[
    ("", "127.0.0.1:0 http server.example.com"),
    (
        "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n",
        "203.0.113.7:0 https server.example.com",
    ),
    (
        "X-Forwarded-For: 203.0.113.7:4711\r\nX-Forwarded-Proto: wss\r\n\
         X-Forwarded-Host: page.example\r\n",
        "203.0.113.7:4711 https page.example",
    ),
    // Addresses invented by the client precede the address that the proxy has added.
    (
        "X-Forwarded-For: 192.0.2.1, 203.0.113.7\r\n",
        "203.0.113.7:0 http server.example.com",
    ),
    (
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 203.0.113.7\r\n\
         X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n",
        "203.0.113.7:0 http server.example.com",
    ),
    (
        "X-Forwarded-For: 10.0.0.7, 10.0.0.1\r\n",
        "10.0.0.7:0 http server.example.com",
    ),
    (
        "X-Forwarded-For: 203.0.113.7, unknown, 10.0.0.1\r\n",
        "10.0.0.1:0 http server.example.com",
    ),
    (
        "X-Forwarded-For: <script>\r\n",
        "127.0.0.1:0 http server.example.com",
    ),
    // Each proxy has appended a value of its own.
    (
        "X-Forwarded-For: 192.0.2.1, 203.0.113.7, 10.0.0.1\r\n\
         X-Forwarded-Proto: http, https, http\r\nX-Forwarded-Host: a, b, c\r\n",
        "203.0.113.7:0 https b",
    ),
    (
        "X-Forwarded-Host: page.example\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-Proto: https\r\n",
        "127.0.0.1:0 https page.example:8443",
    ),
    (
        "X-Forwarded-Host: page.example:1\r\nX-Forwarded-Port: 8443\r\n",
        "127.0.0.1:0 http page.example:1",
    ),
    (
        "X-Forwarded-Host: page.example\r\nX-Forwarded-Port: 443\r\n",
        "127.0.0.1:0 http page.example",
    ),
    (
        "X-Forwarded-Host: a/b\r\n",
        "127.0.0.1:0 http server.example.com",
    ),
    (
        "X-Real-IP: 2001:db8::7\r\n",
        "[2001:db8::7]:0 http server.example.com",
    ),
    (
        "Forwarded: for=192.0.2.1;host=evil, For=\"[2001:db8::7]:4711\";proto=HTTPS;host=\"page.example:1\", \
         for=10.0.0.1;proto=http\r\n",
        "[2001:db8::7]:4711 https page.example:1",
    ),
    (
        "Forwarded: for=203.0.113.7\r\nForwarded: for=10.0.0.1;proto=https;host=page.example\r\n",
        "203.0.113.7:0 https page.example",
    ),
    (
        "Forwarded: for=\"_hidden\";proto=https\r\n",
        "127.0.0.1:0 https server.example.com",
    ),
    (
        "Forwarded: for=203.0.113.7;;proto=\"\r\n",
        "127.0.0.1:0 http server.example.com",
    ),
    // Most proxies write `X-Forwarded-For`, and pass on `Forwarded` unchanged.
    (
        "Forwarded: for=192.0.2.1;proto=https\r\nX-Forwarded-For: 203.0.113.7\r\n",
        "203.0.113.7:0 http server.example.com",
    ),
];

fn behind_http() -> PortSettings {
    PortSettings {
        forwarded: vec![
            "127.0.0.1/32".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ]
        .into(),
        ..PortSettings::default()
    }
}

/// Returns the expected facts, with the client's own port in place of an unknown one.
fn as_told(expected: &str, client: &Client) -> String {
    expected.replace("127.0.0.1:0", &client.address().to_string())
}

#[test]
fn forwarding_fields_of_a_trusted_proxy_name_the_client() {
    let address = serve(gateway(behind_http()));
    for (fields, expected) in TOLD {
        let mut client = Client::connect(address);
        client.send(with(RFC6455, fields));
        let said = told(&mut client, 409);
        assert_eq!(said, as_told(expected, &client), "{fields}");
    }
}

#[test]
fn a_proxy_may_send_a_proxy_header_and_forwarding_fields() {
    let settings = PortSettings {
        proxy_protocol: loopback(),
        ..behind_http()
    };
    let address = serve(gateway(settings));
    for (fields, expected) in [
        ("", "203.0.113.7:1 http server.example.com"),
        (
            "X-Forwarded-Proto: https\r\n",
            "203.0.113.7:1 https server.example.com",
        ),
        (
            "X-Forwarded-For: 192.0.2.66, 203.0.113.8\r\n",
            "203.0.113.8:0 http server.example.com",
        ),
    ] {
        let mut client = Client::connect(address);
        client.send(header("203.0.113.7:1", ProxyVersion::V1, false));
        client.send(with(RFC6455, fields));
        assert_eq!(told(&mut client, 409), expected, "{fields}");
    }
    // A proxy that is trusted only for PROXY headers passes on fields from clients.
    let address = serve(gateway(proxied()));
    let mut client = Client::connect(address);
    client.send(header("203.0.113.7:1", ProxyVersion::V1, false));
    client.send(with(
        RFC6455,
        "X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-Proto: https\r\n",
    ));
    assert_eq!(
        told(&mut client, 409),
        "203.0.113.7:1 http server.example.com"
    );
}

#[test]
fn forwarding_fields_of_an_untrusted_peer_are_ignored() {
    let settings = PortSettings {
        forwarded: vec!["10.0.0.0/8".parse().unwrap()].into(),
        ..PortSettings::default()
    };
    let address = serve(gateway(settings));
    for (fields, _) in TOLD {
        let mut client = Client::connect(address);
        client.send(with(RFC6455, fields));
        let own = format!("{} http server.example.com", client.address());
        assert_eq!(told(&mut client, 409), own, "{fields}");
    }
}

#[test]
fn each_request_of_a_proxy_connection_has_its_own_client() {
    let address = serve(gateway(behind_http()));
    let mut client = Client::connect(address);
    for (number, host) in [(1, "a"), (2, "b"), (3, "c")] {
        let fields = format!("X-Forwarded-For: 203.0.113.{number}\r\nX-Forwarded-Host: {host}\r\n");
        client.send(with(GET, &fields));
        let said = told(&mut client, 200);
        assert_eq!(said, format!("203.0.113.{number}:0 http {host}"));
    }
    client.send(GET);
    let own = format!("{} http -", client.address());
    assert_eq!(told(&mut client, 200), own);
    client.send(with(RFC6455, "X-Forwarded-For: 203.0.113.4\r\n"));
    let last = "203.0.113.4:0 http server.example.com";
    assert_eq!(told(&mut client, 409), last);
    run(async move {
        let mut peer = http2::Peer::connect(address).await;
        for number in 1..4 {
            let of = format!("203.0.113.{number}");
            let fields = [
                ("sec-websocket-version", "13"),
                ("x-forwarded-for", &*of),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "page.example"),
            ];
            let (status, _, said) = peer.refused("websocket", &fields).await;
            assert_eq!(
                (status, &*said),
                (409, &*format!("{of}:0 https page.example\n"))
            );
        }
    });
}

#[test]
fn hixie_76_is_answered_with_the_url_that_its_page_typed() {
    let address = serve(gateway(behind_http()));
    for (fields, location) in [
        ("", "ws://example.com/demo"),
        ("X-Forwarded-Proto: https\r\n", "wss://example.com/demo"),
        (
            "X-Forwarded-Proto: https\r\nX-Forwarded-Host: Page.Example\r\nX-Forwarded-Port: 8443\r\n",
            "wss://page.example:8443/demo",
        ),
        (
            "Forwarded: for=203.0.113.7;proto=wss;host=\"page.example:443\"\r\n",
            "wss://page.example/demo",
        ),
    ] {
        let mut client = Client::connect(address);
        client.send(with(HIXIE_76, fields));
        let head = client.head();
        assert_status(&head, 101);
        assert_eq!(field(&head, "Sec-WebSocket-Location"), Some(location));
        client.send(HIXIE_76_BODY);
        client.expect(HIXIE_76_DIGEST);
        client.send(b"\0Hello\xff");
        client.expect(b"\0Hello\xff");
    }
}

#[test]
fn clients_behind_a_proxy_are_counted_separately() {
    let connections = ConnectionLimits {
        per_address: 1,
        ..ConnectionLimits::default()
    };
    let open = RFC6455.replace("/chat", "/demo");
    // With the PROXY protocol, a connection belongs to one client from its header on.
    let address = serve(gateway(PortSettings {
        connections,
        ..proxied()
    }));
    let connect = |from: &str, status| {
        let mut client = Client::connect(address);
        client.send(header(from, ProxyVersion::V2, false));
        client.send(&open);
        assert_status(&client.head(), status);
        client
    };
    let first = connect("203.0.113.7:1", 101);
    let _other = connect("203.0.113.8:1", 101);
    connect("203.0.113.7:2", 503);
    connect("203.0.113.8:2", 503);
    drop(first);
    until(|| {
        let mut client = Client::connect(address);
        client.send(header("203.0.113.7:3", ProxyVersion::V1, false));
        client.send(&open);
        client.head().contains(" 101 ")
    });
    // With the fields of HTTP, a WebSocket belongs to one client.
    let address = serve(gateway(PortSettings {
        connections,
        ..behind_http()
    }));
    let ask = |from: &str| {
        let mut client = Client::connect(address);
        client.send(with(&open, &format!("X-Forwarded-For: {from}\r\n")));
        let head = client.head();
        (client, head)
    };
    let (first, head) = ask("203.0.113.7");
    assert_status(&head, 101);
    let (_other, head) = ask("203.0.113.8");
    assert_status(&head, 101);
    assert_status(&ask("203.0.113.7").1, 503);
    drop(first);
    until(|| ask("203.0.113.7").1.contains(" 101 "));
}

/// Repeats until the condition holds, and panics after the patience of the tests.
fn until(mut is_so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + polysock_test_support::PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < end, "it never is so");
        std::thread::yield_now();
    }
}
