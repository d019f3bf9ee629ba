//! Verification of server certificates, and the errors for untrusted ones.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use polysock::protocols::Dial;
use polysock::tls::{Authorities, ClientTlsSettings, Identity, Version};
use polysock::upstream::{UpstreamError, UpstreamSettings, WebSocketUpstream};
use polysock_test_support::authority::{Authority, Valid};
use polysock_test_support::tls_server::{Running, TlsServer};
use socket2::SockRef;

use super::{assert_echoes, dial, echoes, settings, trusting};

/// Returns the error of a dial to the server.
async fn reason(server: &Running, tls: &ClientTlsSettings) -> String {
    let error = dial(&format!("wss://{}/", server.host()), tls)
        .await
        .unwrap_err();
    let UpstreamError::Tls { error, address } = &error else {
        panic!("{error}");
    };
    assert_eq!(*address, server.host());
    error.to_string()
}

#[tokio::test]
async fn an_invalid_certificate_is_reported_with_advice() {
    let (ours, other) = (Authority::new(), Authority::new());
    let tls = trusting(&ours);
    for (identity, expected) in [
        (
            ours.issue(&["a.example", "*.b.example"]),
            "the server's certificate is not for localhost, but for a.example, *.b.example: if that is the right server, set `server_name`",
        ),
        (
            ours.issue(&[]),
            "the server's certificate is not for localhost, but for no name at all: if that is the right server, set `server_name`",
        ),
        (
            ours.issue_valid(&["localhost"], Valid::NoMore),
            "the server's certificate has expired on Thu, 31 Dec 2020 00:00:00 GMT",
        ),
        (
            ours.issue_valid(&["localhost"], Valid::NotYet),
            "the server's certificate is not valid before Wed, 01 Jan 3000 00:00:00 GMT: perhaps the clock of this machine is wrong",
        ),
        (
            other.issue(&["localhost"]),
            "the server's certificate is signed by an unknown authority: set `ca` to the file with the certificate of that authority",
        ),
    ] {
        let server = TlsServer::new(&identity).before(echoes());
        assert_eq!(reason(&server, &tls).await, expected);
        // The server has completed no handshake.
        assert_eq!(server.met(), []);
        let anybody = ClientTlsSettings {
            verify: false,
            ..ClientTlsSettings::default()
        };
        let url = format!("wss://{}/", server.host());
        assert_echoes(dial(&url, &anybody).await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_key_is_pinned_in_addition_to_the_authority_or_instead_of_it() {
    let (ours, other) = (Authority::new(), Authority::new());
    let known = TlsServer::new(&ours.issue(&["localhost"])).before(echoes());
    let unknown = TlsServer::new(&other.issue(&["a.example"])).before(echoes());
    let another = "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let pinned = |pins: &[&str]| ClientTlsSettings {
        pins: pins.iter().map(|pin| pin.parse().unwrap()).collect(),
        ..trusting(&ours)
    };
    let told = "the server's certificate has a key that is not pinned: its pin is ";
    let reason_of_known = reason(&known, &pinned(&[another])).await;
    let pin_of_known = reason_of_known.strip_prefix(told).unwrap();
    let unverified = |pins: &[&str]| ClientTlsSettings {
        verify: false,
        ..pinned(pins)
    };
    let reason_of_unknown = reason(&unknown, &unverified(&[pin_of_known])).await;
    let pin_of_unknown = reason_of_unknown.strip_prefix(told).unwrap();
    for (server, tls, is_met) in [
        (&known, pinned(&[pin_of_known]), true),
        (&known, pinned(&[another, pin_of_known]), true),
        (&known, unverified(&[pin_of_known]), true),
        (&known, pinned(&[pin_of_unknown]), false),
        (&unknown, pinned(&[pin_of_unknown]), false),
        (&unknown, unverified(&[pin_of_unknown]), true),
        (&unknown, unverified(&[another]), false),
    ] {
        match dial(&format!("wss://{}/", server.host()), &tls).await {
            Ok(connection) => {
                assert!(is_met, "{tls:?}");
                assert_echoes(connection).await;
            }
            Err(error) => assert!(!is_met, "{tls:?}: {error}"),
        }
    }
}

#[tokio::test]
async fn an_authority_that_serves_is_pinned() {
    let authority = Authority::new();
    let identity = authority.self_signed_authority(&["localhost"]);
    let server = TlsServer::new(&identity).before(echoes());
    let tls = ClientTlsSettings {
        authorities: Some(Authorities::read(identity.certificate).unwrap()),
        ..ClientTlsSettings::default()
    };
    let reason = reason(&server, &tls).await;
    let pin = reason.split("`pin = \"").nth(1).unwrap();
    let (pin, end) = pin.split_once('"').unwrap();
    assert_eq!(end, "` and `verify = false`");
    let tls = ClientTlsSettings {
        pins: vec![pin.parse().unwrap()],
        verify: false,
        ..ClientTlsSettings::default()
    };
    assert_echoes(
        dial(&format!("wss://{}/", server.host()), &tls)
            .await
            .unwrap(),
    )
    .await;
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_is_asked_for() {
    let authority = Authority::new();
    for version in rustls::ALL_VERSIONS {
        let server = TlsServer::new(&authority.issue(&["localhost"])).with_version(version);
        let server = server.with_clients_of(&authority).before(echoes());
        // In TLS 1.3, a server reports the missing certificate after the client has finished.
        let reason = reason(&server, &trusting(&authority)).await;
        assert!(
            reason.ends_with("a client certificate (`certificate`, `key`), or a different one")
                || reason.ends_with("or requires a client certificate (`certificate`, `key`)"),
            "{reason}"
        );
        let identity = authority.issue(&["client.example"]);
        let tls = ClientTlsSettings {
            identity: Some(Identity::read(identity.certificate, identity.key).unwrap()),
            ..trusting(&authority)
        };
        assert_echoes(
            dial(&format!("wss://{}/", server.host()), &tls)
                .await
                .unwrap(),
        )
        .await;
        assert!(server.met().iter().all(|met| met.has_certificate));
    }
}

#[tokio::test]
async fn the_least_version_is_kept() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let server = TlsServer::new(&identity).with_version(&rustls::version::TLS12);
    let server = server.before(echoes());
    let url = format!("wss://{}/", server.host());
    assert_echoes(dial(&url, &trusting(&authority)).await.unwrap()).await;
    assert_eq!(server.met()[0].version, "1.2");
    let tls = ClientTlsSettings {
        min_version: Version::Tls13,
        ..trusting(&authority)
    };
    let reason = reason(&server, &tls).await;
    assert_eq!(
        reason,
        "the server refuses the connection: ProtocolVersion: it supports neither TLS 1.2 nor 1.3, or not the required minimum version"
    );
}

/// Starts a server that calls this function with each connection.
fn server(does: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| does(stream.unwrap())));
    address
}

#[tokio::test]
async fn a_server_without_tls_is_distinguished_from_one_that_hangs_up() {
    let plain = |text: &'static str| {
        server(move |mut stream| {
            std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
            let _ = stream.read(&mut [0; 4096]);
        })
    };
    let resets = server(|stream| {
        let mut hello = [0; 1];
        (&stream).read_exact(&mut hello).unwrap();
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    });
    let hangs_up = server(|stream| {
        // Reads the whole ClientHello: with unread bytes, the close would be a reset.
        SockRef::from(&stream)
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let _ = (&stream).read_to_end(&mut Vec::new());
    });
    let no_tls = "the server does not speak TLS on this port";
    let hung_up = "the server closed the connection in the TLS handshake: perhaps it does not speak TLS on this port";
    let anybody = ClientTlsSettings {
        verify: false,
        ..ClientTlsSettings::default()
    };
    for (address, expected) in [
        (plain("HTTP/1.1 400 Bad Request\r\n\r\n"), no_tls),
        (plain("RFB 003.008\n"), no_tls),
        (plain("SSH-2.0-OpenSSH_9.2\r\n"), no_tls),
        (hangs_up, hung_up),
        (resets, hung_up),
    ] {
        let error = dial(&format!("wss://{address}/"), &anybody)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("TLS with {address} failed: {expected}")
        );
    }
}

#[tokio::test]
async fn the_connect_timeout_covers_the_tls_handshake() {
    // The server reads the ClientHello, and never answers.
    let address = server(|stream| {
        let _ = (&stream).read_to_end(&mut Vec::new());
    });
    let connect_timeout = Duration::from_millis(300);
    for scheme in ["wss", "wss+auto", "tls", "https"] {
        let authority = Authority::new();
        let settings = UpstreamSettings {
            connect_timeout,
            ..settings(&trusting(&authority))
        };
        let url = format!("{scheme}://{address}");
        let began = Instant::now();
        let site = polysock::Site::new(polysock::apps::Relay::new(
            polysock::upstream::parse(&url, settings).unwrap(),
        ));
        let gateway = polysock::Gateway::with_site(site, polysock::PortSettings::default());
        let gateway = polysock_test_support::gateway::serve(gateway);
        let head = tokio::task::spawn_blocking(move || {
            let mut client = polysock_test_support::client::Client::connect(gateway);
            client.send(polysock_test_support::opening::RFC6455);
            client.head()
        });
        polysock_test_support::opening::assert_status(&head.await.unwrap(), 504);
        let took = began.elapsed();
        assert!(took >= connect_timeout, "{scheme}: {took:?}");
        assert!(took < connect_timeout * 8, "{scheme}: {took:?}");
    }
}

#[tokio::test]
async fn a_cancelled_dial_closes_the_connection_to_the_server() {
    let (gone, is_gone) = std::sync::mpsc::channel();
    let address = server(move |stream| {
        let _ = (&stream).read_to_end(&mut Vec::new());
        gone.send(()).unwrap();
    });
    let authority = Authority::new();
    let upstream = WebSocketUpstream::parse(
        &format!("wss://{address}/"),
        settings(&trusting(&authority)),
    );
    let upstream = upstream.unwrap();
    let dialling = upstream.dial(Dial::default());
    let given_up = tokio::time::timeout(Duration::from_millis(100), dialling);
    assert!(given_up.await.is_err());
    is_gone
        .recv_timeout(polysock_test_support::PATIENCE)
        .unwrap();
}

#[test]
fn an_invalid_file_of_authorities_is_named() {
    let authority = Authority::new();
    let identity = authority.issue(&["a.example"]);
    let garbled = authority.place("garbled.pem");
    std::fs::write(
        &garbled,
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let missing = authority.place("missing.pem");
    for (file, expected) in [
        (
            &missing,
            "cannot read {}: No such file or directory (os error 2)",
        ),
        (
            &identity.key,
            "{} contains no certificate: a line -----BEGIN CERTIFICATE----- is expected",
        ),
        (
            &garbled,
            "certificate 1 in {} is not an authority's: invalid peer certificate: BadEncoding",
        ),
    ] {
        let error = Authorities::read(file).unwrap_err().to_string();
        assert_eq!(error, expected.replace("{}", &file.display().to_string()));
    }
}
