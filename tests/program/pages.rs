//! Cross-origin pages, which browsers allow to connect: admission by the origin field of each
//! protocol.

use std::net::SocketAddr;

use polysock_test_support::client::Client;
use polysock_test_support::http2;
use polysock_test_support::opening::{HIXIE_75, HIXIE_76, HIXIE_76_BODY, RFC6455, versioned, with};
use polysock_test_support::server::Server;

use crate::POLYSOCK;
use crate::configured::serve;

/// Returns opening handshakes for this host from a page of this origin, in the form of each
/// protocol, with these additional fields.
fn handshakes(host: &str, origin: &str, fields: &str) -> Vec<Vec<u8>> {
    let of = |head: &str, field: &str| {
        let head = head.replace("server.example.com", host);
        let head = head.replace("Host: example.com", &format!("Host: {host}"));
        let head = head.replace("Origin: http://example.com\r\n", "");
        let origin = match origin {
            "" => String::new(),
            origin => format!("{field}: {origin}\r\n"),
        };
        with(&head, &(origin + fields)).into_bytes()
    };
    let early = "Sec-WebSocket-Origin";
    vec![
        of(HIXIE_75, "Origin"),
        [&of(HIXIE_76, "Origin"), HIXIE_76_BODY].concat(),
        of(&versioned("4", ""), early),
        of(&versioned("7", ""), early),
        of(&versioned("8", ""), early),
        of(RFC6455, "Origin"),
    ]
}

#[track_caller]
fn assert_answered(address: SocketAddr, handshakes: &[Vec<u8>], status: u16) {
    for handshake in handshakes {
        let mut client = Client::connect(address);
        client.send(handshake);
        let head = client.head();
        let shown = String::from_utf8_lossy(handshake);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{status} expected for {shown}: {head}"
        );
    }
}

#[test]
fn a_page_of_the_requested_host_is_admitted_in_every_protocol() {
    let server = POLYSOCK.echo(&["--origin", "same-origin"]);
    for (host, origin, status) in [
        ("a.example:8080", "http://a.example:8080", 101),
        ("a.example", "http://a.example:80", 101),
        ("A.example:80", "http://a.example", 101),
        ("a.example:8080", "http://a.example", 403),
        ("a.example", "https://a.example", 403),
        ("a.example", "http://evil.example", 403),
        ("a.example", "http://a.example.evil.example", 403),
        ("a.example", "null", 403),
        ("null", "null", 403),
        ("a.example", "", 403),
    ] {
        let handshakes = handshakes(host, origin, "");
        assert_answered(server.address, &handshakes, status);
    }
}

#[test]
fn only_a_trusted_proxy_may_name_the_host() {
    let trusting = ["--origin", "same-origin", "--forwarded", "127.0.0.1"];
    let trusting = POLYSOCK.echo(&trusting);
    let other = POLYSOCK.echo(&["--origin", "same-origin"]);
    let secure = POLYSOCK.echo(&["--origin", "same-origin", "--secure"]);
    let forwarded = "X-Forwarded-Host: a.example\r\nX-Forwarded-Proto: https\r\n";
    let outside = handshakes("10.0.0.7:8080", "https://a.example", forwarded);
    let inside = handshakes("10.0.0.7:8080", "http://10.0.0.7:8080", forwarded);
    let kept = handshakes("a.example", "https://a.example", "");
    for (server, statuses) in [
        (&trusting, [101, 403, 403]),
        (&other, [403, 101, 403]),
        (&secure, [403, 403, 101]),
    ] {
        for (handshakes, status) in [&outside, &inside, &kept].into_iter().zip(statuses) {
            assert_answered(server.address, handshakes, status);
        }
    }
}

#[test]
fn pages_of_subdomains_are_admitted_by_a_wildcard() {
    let server = POLYSOCK.echo(&["--origin", "https://*.a.example"]);
    for (origin, status) in [
        ("https://b.a.example", 101),
        ("http://b.a.example", 403),
        ("https://a.example", 403),
        ("https://c.b.a.example", 403),
        ("https://b.a.example.evil.example", 403),
        ("null", 403),
    ] {
        let handshakes = handshakes("a.example", origin, "");
        assert_answered(server.address, &handshakes, status);
    }
}

#[test]
fn a_null_origin_is_admitted_if_it_is_listed() {
    let server = POLYSOCK.echo(&["--origin", "null"]);
    assert_answered(server.address, &handshakes("a.example", "null", ""), 101);
    assert_answered(server.address, &handshakes("a.example", "", ""), 403);
}

#[test]
fn origins_are_checked_on_http2_streams() {
    let server = POLYSOCK.echo(&["--origin", "same-origin"]);
    http2::run(async move {
        let mut peer = http2::Peer::connect(server.address).await;
        let version = ("sec-websocket-version", "13");
        for (origin, status) in [
            ("http://localhost", 200),
            ("http://localhost:80", 200),
            ("http://localhost:8080", 403),
            ("https://localhost", 403),
            ("http://evil.example", 403),
            ("null", 403),
        ] {
            let fields = [version, ("origin", origin)];
            let (response, _stream) = peer.open("websocket", &fields).await;
            assert_eq!(response.status().as_u16(), status, "{origin}");
        }
    });
}

/// Returns the Flash policy of a port.
fn flash_policy(server: &Server) -> String {
    let mut client = server.connect();
    client.send("<policy-file-request/>\0");
    let policy = String::from_utf8(client.rest()).unwrap();
    policy.replace(&format!("\"{}\"", server.address.port()), "\"PORT\"")
}

fn policy_of(domains: &[&str]) -> String {
    let domain = |domain: &&str| format!("<allow-access-from {domain}/>");
    let domains: String = domains.iter().map(domain).collect();
    format!("<?xml version=\"1.0\"?><cross-domain-policy>{domains}</cross-domain-policy>\0")
}

#[test]
fn the_flash_policy_lists_the_admitted_domains() {
    let origins = "--origin http://a.example --origin https://b.example:8443 --origin https://*.c.example \
        --origin null --origin same-origin --flash-policy";
    let origins: Vec<_> = origins.split_whitespace().collect();
    assert_eq!(
        flash_policy(&POLYSOCK.echo(&origins)),
        policy_of(&[
            "domain=\"a.example\" to-ports=\"PORT\" secure=\"false\"",
            "domain=\"b.example\" to-ports=\"PORT\" secure=\"true\"",
            "domain=\"*.c.example\" to-ports=\"PORT\" secure=\"true\"",
        ])
    );
}

#[test]
fn the_flash_policy_excludes_domains_that_any_route_refuses() {
    let route = "[[route]]\ntarget = \"app:echo\"\n";
    let routes = format!(
        "flash_policy = true\n{route}path = \"/any\"\n\
         {route}path = \"/a\"\norigins = [\"http://a.example\", \"http://b.example\"]\n\
         {route}origins = [\"http://b.example\", \"http://c.example\"]\n"
    );
    let server = serve("flash", &routes, &[]);
    let both = "domain=\"b.example\" to-ports=\"PORT\" secure=\"false\"";
    assert_eq!(flash_policy(&server), policy_of(&[both]));
    // If no origin is permitted, the log says so.
    let mut server = POLYSOCK.echo(&["--flash-policy", "--origin", "same-origin"]);
    assert_eq!(flash_policy(&server), policy_of(&[]));
    let log = server.stop();
    assert!(
        log.contains("the Flash socket policy allows no domain"),
        "{log}"
    );
}

#[test]
fn a_public_server_warns_of_routes_that_admit_any_origin() {
    let chat = ["--app", "echo", "--protocols", "modern"];
    for (listen, more, is_warned) in [
        ("0.0.0.0:0", &[][..], true),
        ("[::]:0", &[], true),
        ("127.0.0.1:0", &[], false),
        ("0.0.0.0:0", &["--origin", "same-origin"], false),
        ("0.0.0.0:0", &["--origin", "*"], false),
    ] {
        let log = POLYSOCK.serve_on(listen, &[&chat, more].concat()).stop();
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains("pages of any origin may connect"))
            .collect();
        assert_eq!(
            lines.len(),
            usize::from(is_warned),
            "{listen} {more:?}: {log}"
        );
        for line in lines {
            assert!(
                line.contains("routes=[\"/\"]") && line.contains("--origin"),
                "{line}"
            );
        }
    }
    let route = "[[route]]\ntarget = \"app:echo\"\n";
    let routes = format!(
        "[[listener]]\naddress = \"0.0.0.0:0\"\n\
         {route}name = \"open\"\npath = \"/open\"\n\
         {route}path = \"/told\"\norigins = \"*\"\n\
         {route}path = \"/chosen\"\norigin = \"http://a.example\"\n\
         {route}path = \"/http\"\nclient = \"http\"\n\
         [[route]]\npath = \"/files\"\ntarget = \"file:.\"\n\
         {route}path = \"/last\"\n"
    );
    let log = serve("open-pages", &routes, &[]).stop();
    assert!(log.contains("routes=[\"open\", \"/last\"]"), "{log}");
    assert_eq!(
        log.matches("pages of any origin may connect").count(),
        1,
        "{log}"
    );
}

/// A route is selected by the same origin that decides on admission.
#[test]
fn routes_are_chosen_by_the_origin_of_each_protocol() {
    let route = "[[route]]\ntarget = \"app:echo\"\n";
    let routes = format!(
        "[defaults]\nprotocols = \"all\"\n\
         {route}origin = [\"http://a.example\", \"same-origin\"]\n{route}client = \"http\"\n"
    );
    let server = serve("origin-routes", &routes, &[]);
    for (origin, status) in [
        ("http://a.example", 101),
        ("http://host.example", 101),
        ("http://b.example", 404),
        ("null", 404),
    ] {
        let handshakes = handshakes("host.example", origin, "");
        assert_answered(server.address, &handshakes, status);
    }
    let other = "Origin: http://b.example\r\nSec-WebSocket-Origin: http://a.example\r\n";
    let alone = "Sec-WebSocket-Origin: http://a.example\r\n";
    for (version, fields, status) in [("8", other, 101), ("13", other, 404), ("13", alone, 404)] {
        server.answers(versioned(version, fields), status);
    }
}
