//! Admission to a port by address, and rate limits.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Instant;

use polysock::apps::echo;
use polysock::{ConnectionLimits, Gateway, Networks, PortSettings, RateLimits, Site, Trusted};
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::{close, frame, unmasked};
use polysock_test_support::gateway::serve;
use polysock_test_support::http2::{self, run};
use polysock_test_support::opening::{RFC6455, assert_status, field, with};

const GET: &str = "GET / HTTP/1.1\r\nHost: server.example.com\r\n\r\n";

/// Starts a port behind a trusted proxy on this machine that sends PROXY headers, or fields.
fn port(by_header: bool, networks: Networks, rates: RateLimits) -> SocketAddr {
    let loopback = Trusted::from(vec!["127.0.0.0/8".parse().unwrap()]);
    let settings = PortSettings {
        networks,
        connections: ConnectionLimits {
            rates,
            ..ConnectionLimits::default()
        },
        ..PortSettings::default()
    };
    let settings = match by_header {
        true => PortSettings {
            proxy_protocol: loopback,
            ..settings
        },
        false => PortSettings {
            forwarded: loopback,
            ..settings
        },
    };
    serve(Gateway::with_site(Site::new(echo), settings))
}

/// Connects as a client from this address, and sends the request after the PROXY header.
fn from(address: SocketAddr, source: &str, request: impl AsRef<[u8]>) -> Client {
    let mut client = Client::connect(address);
    let (family, other) = match source.contains(':') {
        true => ("TCP6", "2001:db8::99"),
        false => ("TCP4", "192.0.2.99"),
    };
    let header = format!("PROXY {family} {source} {other} 4711 80\r\n");
    client.send([header.as_bytes(), request.as_ref()].concat());
    client
}

fn networks(allow: &[&str], deny: &[&str]) -> Networks {
    let networks = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    Networks {
        allow: networks(allow),
        deny: networks(deny),
    }
}

fn limit(count: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(count)
}

/// Repeats until the trial succeeds, with enough time under any load.
fn until<T>(mut trial: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = trial() {
            return found;
        }
        assert!(Instant::now() < end, "it never came out so");
    }
}

#[test]
fn a_denied_client_is_closed_before_a_byte_is_read() {
    let settings = PortSettings {
        networks: networks(&[], &["127.0.0.0/8"]),
        ..PortSettings::default()
    };
    let address = serve(Gateway::with_site(Site::new(echo), settings));
    for request in [&b""[..], RFC6455.as_bytes(), b"\x16\x03\x01\x02\x00\x01"] {
        let mut client = Client::connect(address);
        // The connection may be closed already.
        let _ = std::io::Write::write_all(&mut client.stream(), request);
        client.gone();
    }
}

#[test]
fn network_rules_apply_to_the_client_behind_a_proxy() {
    // The proxy itself is in neither of the networks.
    let address = port(
        true,
        networks(&["10.0.0.0/8", "2001:db8::/32"], &["10.0.0.7/32"]),
        RateLimits::default(),
    );
    for (source, may_come) in [
        ("10.0.0.1", true),
        ("2001:db8::1", true),
        ("10.0.0.7", false),
        ("192.0.2.1", false),
        ("2001:db9::1", false),
    ] {
        let mut client = from(address, source, RFC6455);
        match may_come {
            true => assert_status(&client.head(), 101),
            false => client.gone(),
        }
    }
    let address = port(
        false,
        networks(&[], &["203.0.113.0/24"]),
        RateLimits::default(),
    );
    for (source, statuses) in [("203.0.113.7", [403, 403]), ("203.0.114.7", [101, 426])] {
        let field = format!("X-Forwarded-For: {source}\r\n");
        for (request, status) in [RFC6455, GET].into_iter().zip(statuses) {
            let mut client = Client::connect(address);
            client.send(with(request, &field));
            assert_status(&client.head(), status);
        }
        run(async move {
            let mut peer = http2::Peer::connect(address).await;
            let version = ("sec-websocket-version", "13");
            let fields = [version, ("x-forwarded-for", source)];
            let (response, _stream) = peer.open("websocket", &fields).await;
            let expected = if statuses[0] == 101 { 200 } else { 403 };
            assert_eq!(response.status().as_u16(), expected, "{source}");
        });
    }
}

#[test]
fn connections_over_the_rate_limit_are_refused_with_the_reason() {
    let rates = RateLimits {
        connections: limit(3),
        ..RateLimits::default()
    };
    let address = port(true, Networks::default(), rates);
    let mut refused = until(|| {
        let mut client = from(address, "203.0.113.7", RFC6455);
        let head = client.head();
        head.starts_with("HTTP/1.1 429 ").then_some((client, head))
    });
    assert_eq!(field(&refused.1, "Retry-After"), Some("1"));
    assert_eq!(refused.0.rest(), b"too many connections a second\n");
    // Over HTTP/2, the refusal is GOAWAY with ENHANCE_YOUR_CALM.
    until(|| {
        let mut client = from(address, "203.0.113.8", http2::preface());
        let said = client.rest();
        let reason = b"too many connections a second";
        said.windows(reason.len())
            .any(|part| part == reason)
            .then_some(())
    });
    // Clients are admitted again after one second.
    until(|| {
        let head = from(address, "203.0.113.9", RFC6455).head();
        head.starts_with("HTTP/1.1 101 ").then_some(())
    });
}

#[test]
fn an_address_over_its_rate_limit_affects_no_other() {
    let rates = RateLimits {
        connections_per_address: limit(2),
        ..RateLimits::default()
    };
    let address = port(true, Networks::default(), rates);
    for (source, same, other) in [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"),
    ] {
        until(|| {
            from(address, source, RFC6455);
            let mut client = from(address, same, RFC6455);
            let head = client.head();
            let is_refused = head.starts_with("HTTP/1.1 429 ");
            is_refused.then(|| {
                let reason = b"too many connections a second from one address\n";
                assert_eq!(client.rest(), reason);
            })
        });
        assert_status(&from(address, other, RFC6455).head(), 101);
    }
    // Addresses of this machine are not counted.
    let rates = RateLimits {
        connections_per_address: limit(1),
        handshakes_per_address: limit(1),
        messages_per_address: limit(1),
        ..RateLimits::default()
    };
    let settings = PortSettings {
        connections: ConnectionLimits {
            rates,
            ..ConnectionLimits::default()
        },
        ..PortSettings::default()
    };
    let address = serve(Gateway::with_site(Site::new(echo), settings));
    for _ in 0..10 {
        let mut client = Client::connect(address);
        client.send(RFC6455);
        assert_status(&client.head(), 101);
        client.send(frame(0x81, "hi"));
        client.expect(unmasked(0x81, "hi"));
    }
}

#[test]
fn handshakes_over_the_rate_limit_are_refused_and_requests_do_not_count() {
    for (rates, reason) in [
        (
            RateLimits {
                handshakes: limit(2),
                ..RateLimits::default()
            },
            "too many handshakes a second\n",
        ),
        (
            RateLimits {
                handshakes_per_address: limit(2),
                ..RateLimits::default()
            },
            "too many handshakes a second from one address\n",
        ),
    ] {
        let address = port(false, Networks::default(), rates);
        let of = |request: &str, source: &str| {
            let mut client = Client::connect(address);
            client.send(with(request, &format!("X-Forwarded-For: {source}\r\n")));
            let head = client.head();
            (client, head)
        };
        for _ in 0..10 {
            assert_status(&of(GET, "203.0.113.7").1, 426);
        }
        let (mut client, head) = until(|| {
            let answer = of(RFC6455, "203.0.113.7");
            answer.1.starts_with("HTTP/1.1 429 ").then_some(answer)
        });
        assert_eq!(field(&head, "Retry-After"), Some("1"));
        assert_eq!(client.rest(), reason.as_bytes());
        if rates.handshakes.is_none() {
            assert_status(&of(RFC6455, "203.0.113.8").1, 101);
        }
        // Each HTTP/2 stream is a handshake. The other streams continue.
        run(async move {
            let mut peer = http2::Peer::connect(address).await;
            let version = ("sec-websocket-version", "13");
            let fields = [version, ("x-forwarded-for", "203.0.113.9")];
            let end = Instant::now() + PATIENCE;
            let response = loop {
                assert!(Instant::now() < end, "no stream is refused");
                let (response, _stream) = peer.open("websocket", &fields).await;
                if response.status() != 200 {
                    break response;
                }
            };
            assert_eq!(response.status().as_u16(), 429);
            assert_eq!(response.headers()["retry-after"], "1");
            // An ordinary request is no handshake.
            assert_ne!(peer.ask("GET", "/").await.0.status().as_u16(), 429);
        });
    }
}

#[test]
fn the_messages_of_an_address_are_counted_over_all_of_its_connections() {
    let rates = RateLimits {
        messages_per_address: limit(5),
        ..RateLimits::default()
    };
    let address = port(true, Networks::default(), rates);
    // A client that sends nothing more until the others have exceeded the limit.
    let mut first = from(address, "203.0.113.7", RFC6455);
    assert_status(&first.head(), 101);
    let mut open = Vec::new();
    let closed = until(|| {
        let mut client = from(address, "203.0.113.7", RFC6455);
        assert_status(&client.head(), 101);
        client.send(frame(0x81, "hi"));
        client.expect(unmasked(0x81, "hi"));
        // The ping is processed after the message.
        client.send(frame(0x89, ""));
        let answer = client.take(2);
        let is_closed = answer[0] == 0x88;
        let code = is_closed.then(|| client.take(2));
        open.push(client);
        code
    });
    assert_eq!(closed, 1008_u16.to_be_bytes());
    let mut other = from(address, "203.0.113.8", RFC6455);
    assert_status(&other.head(), 101);
    for client in [&mut other, &mut first] {
        client.send(frame(0x89, ""));
        client.expect(unmasked(0x8a, ""));
    }
}

#[test]
fn messages_of_a_client_that_disconnects_immediately_count() {
    let rates = RateLimits {
        messages_per_address: limit(2),
        ..RateLimits::default()
    };
    let address = port(true, Networks::default(), rates);
    let mut number = 0;
    until(|| {
        // Each trial uses an address that has sent nothing yet.
        number += 1;
        let source = format!("203.0.113.{number}");
        let burst = [frame(0x81, "a"), frame(0x81, "b"), close(1000)].concat();
        let mut client = from(address, &source, RFC6455);
        assert_status(&client.head(), 101);
        client.send(burst);
        client.rest();
        let mut client = from(address, &source, RFC6455);
        assert_status(&client.head(), 101);
        client.send(frame(0x81, "c"));
        client.expect(unmasked(0x81, "c"));
        client.send(frame(0x89, ""));
        (client.take(1) == [0x88]).then_some(())
    });
}
