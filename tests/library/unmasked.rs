//! Protocols without masks: the addresses from which their clients are admitted.

use std::net::IpAddr;

use polysock::apps::echo;
use polysock::protocols::PROTOCOLS;
use polysock::{Gateway, Peer, PortSettings, Site, SiteSettings, Trusted};
use polysock_test_support::http2::run;
use polysock_test_support::opening::{HIXIE_75, HIXIE_76, HIXIE_76_BODY, RFC6455, versioned};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// Returns the status line that a client receives.
async fn asked(gateway: &Gateway, peer: Peer, request: &[u8]) -> String {
    let (mut near, far) = duplex(4096);
    let gateway = gateway.clone();
    tokio::spawn(async move { gateway.serve_connection(far, peer).await });
    near.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n") {
        answer.push(near.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

fn gateway(unmasked_from: Option<Trusted>) -> Gateway {
    let defaults = SiteSettings::default();
    let settings = SiteSettings {
        unmasked_from: unmasked_from.unwrap_or(defaults.unmasked_from.clone()),
        ..defaults
    };
    let protocols = PROTOCOLS.to_vec();
    Gateway::with_site(
        Site::new(echo).with_settings(settings),
        PortSettings {
            protocols,
            ..PortSettings::default()
        },
    )
}

#[test]
fn without_tls_unmasked_protocols_need_a_trusted_network() {
    let keyed = HIXIE_76.replace("Origin:", "Sec-WebSocket-Draft: 1\r\nOrigin:");
    let unmasked = [
        HIXIE_75.as_bytes().to_vec(),
        [HIXIE_76.as_bytes(), HIXIE_76_BODY].concat(),
        [keyed.as_bytes(), HIXIE_76_BODY].concat(),
    ];
    let masked = [
        versioned("4", "").into_bytes(),
        versioned("8", "").into_bytes(),
        RFC6455.as_bytes().to_vec(),
    ];
    let lan = || Some("198.51.100.0/24".parse().unwrap());
    let cases = [
        (None, "192.168.1.20", false, true),
        (None, "127.0.0.1", false, true),
        (None, "fe80::1", false, true),
        (None, "", false, true),
        (None, "203.0.113.7", false, false),
        (None, "100.64.0.7", false, false),
        (None, "2001:db8::7", false, false),
        (None, "203.0.113.7", true, true),
        (lan(), "198.51.100.9", false, true),
        (lan(), "192.168.1.20", false, false),
        (lan(), "", false, false),
        (Some(Trusted::default()), "127.0.0.1", false, false),
        (Some(Trusted::default()), "127.0.0.1", true, true),
        (Some(Trusted::everyone()), "203.0.113.7", false, true),
    ];
    run(async move {
        for (unmasked_from, address, secure, is_let_in) in cases {
            let gateway = gateway(unmasked_from.clone());
            let peer = Peer {
                address: address
                    .parse::<IpAddr>()
                    .ok()
                    .map(|address| (address, 1).into()),
                secure,
                ..Peer::default()
            };
            let at = format!("{address} secure: {secure}, from {unmasked_from:?}");
            for request in &unmasked {
                let line = asked(&gateway, peer.clone(), request).await;
                let status = if is_let_in { " 101 " } else { " 403 " };
                assert!(line.contains(status), "{at}: {line}");
            }
            for request in &masked {
                let line = asked(&gateway, peer.clone(), request).await;
                assert!(line.contains(" 101 "), "{at}: {line}");
            }
        }
    });
}
