//! TLS on the same port as plain text.

mod certificates;
mod plain;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use polysock::apps::echo;
use polysock::protocols::PROTOCOLS;
use polysock::tls::{Acceptor, Encryption, ServerSettings, Version};
use polysock::{
    Accept, BoxError, ConnectionLimits, Gateway, Handshake, PortSettings, Site, Trusted,
};
use polysock_test_support::authority::{Authority, Identity};
use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::gateway::serve;
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::tls::{TLS12, TLS13, TlsClient};
use rustls::HandshakeKind;

/// Returns a port with a certificate for `a.test`, and the authority that has signed it.
fn secure(change: impl FnOnce(&mut ServerSettings)) -> (Authority, PortSettings) {
    let authority = Authority::new();
    let Identity { certificate, key } = authority.issue(&["a.test"]);
    let mut settings = ServerSettings::new(certificate, key);
    change(&mut settings);
    let port = PortSettings {
        tls: Some(Acceptor::new(settings).unwrap()),
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    (authority, port)
}

/// Sends the encryption and the identity of the client, then echoes its messages.
async fn tells(handshake: Handshake) -> Result<(), BoxError> {
    let peer = handshake.peer();
    let encryption = peer.extensions.get::<Encryption>().cloned();
    let encryption = encryption.map(|encryption| {
        let client = encryption.client();
        let client = client.map(|client| (client.distinguished_name.clone(), client.names.clone()));
        format!(
            "{} {:?} {:?} {client:?}",
            encryption.version(),
            encryption.server_name(),
            encryption.alpn()
        )
    });
    let text = format!(
        "secure {} {:?} {}",
        peer.secure,
        peer.address,
        encryption.unwrap_or_default()
    );
    let mut connection = handshake.accept(Accept::default()).await?;
    connection
        .answer(|_, answers| Ok::<_, BoxError>(answers.send(&*text)?))
        .await
}

fn opens(client: &mut TlsClient) {
    client.send(RFC6455);
    assert_status(&client.head(), 101);
}

fn echoes(client: &mut TlsClient) {
    client.send(frame(0x81, "hi"));
    client.expect(unmasked(0x81, "hi"));
}

/// Forwards the bytes of a client one byte per write, and all answers.
fn bytewise(address: SocketAddr) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(address).unwrap();
        server.set_nodelay(true).unwrap();
        let (mut from_server, mut to_client) =
            (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
        let mut byte = [0];
        while client.read_exact(&mut byte).is_ok() && server.write_all(&byte).is_ok() {}
    });
    local
}

/// The ALPN offer of a client that speaks only HTTP/1.
static HTTP1: &[&[u8]] = &[b"http/1.1"];

#[test]
fn an_application_can_read_the_tls_parameters_of_its_client() {
    let (authority, port) = secure(|_| ());
    let address = serve(Gateway::with_site(Site::new(tells), port));
    for (versions, alpn, expected) in [
        (TLS12, &[][..], "1.2 Some(\"a.test\") None None"),
        (TLS13, HTTP1, "1.3 Some(\"a.test\") Some(\"http/1.1\") None"),
    ] {
        for address in [address, bytewise(address)] {
            let mut client = authority.client();
            (client.versions, client.alpn) = (versions, alpn);
            let mut client = client.connect(address, "a.test").unwrap();
            opens(&mut client);
            client.send(frame(0x81, ""));
            let mut text = [0; 256];
            let count = client.read(&mut text).unwrap();
            let text = String::from_utf8_lossy(&text[2..count]);
            assert!(
                text.starts_with("secure true") && text.ends_with(expected),
                "{text}"
            );
        }
    }
}

#[test]
fn a_message_of_any_size_passes() {
    let (authority, port) = secure(|_| ());
    let address = serve(Gateway::with_site(Site::new(echo), port));
    let mut client = authority.client().connect(address, "a.test").unwrap();
    opens(&mut client);
    for len in [0, 1, 125, 126, 16_384, 65_535, 300_000] {
        let payload = vec![b'x'; len];
        client.send(frame(0x82, &payload));
        assert!(client.message() == payload, "{len}");
    }
}

#[test]
fn sessions_are_resumed_in_both_versions() {
    let (authority, port) = secure(|_| ());
    let address = serve(Gateway::with_site(Site::new(echo), port));
    for versions in [TLS12, TLS13] {
        let mut client = authority.client();
        client.versions = versions;
        let config = client.config();
        let mut kinds = Vec::new();
        for _ in 0..3 {
            let mut client = TlsClient::connect(config.clone(), address, "a.test").unwrap();
            opens(&mut client);
            echoes(&mut client);
            kinds.push(client.connection().handshake_kind().unwrap());
        }
        assert_eq!(kinds[1..], [HandshakeKind::Resumed; 2], "{versions:?}");
    }
}

#[test]
fn alpn_selects_http2_only_if_it_is_enabled() {
    for (http2, expected) in [(true, &b"h2"[..]), (false, b"http/1.1")] {
        let (authority, port) = secure(|_| ());
        let port = PortSettings { http2, ..port };
        let address = serve(Gateway::with_site(Site::new(echo), port));
        let mut client = authority.client();
        client.alpn = &[b"h2", b"http/1.1"];
        let client = client.connect(address, "a.test").unwrap();
        assert_eq!(client.connection().alpn_protocol(), Some(expected));
    }
}

#[test]
fn a_too_old_version_and_bytes_that_are_no_tls_get_an_alert() {
    let (authority, port) = secure(|settings| {
        settings.min_version = Version::Tls13;
    });
    let address = serve(Gateway::with_site(Site::new(echo), port));
    let mut old = authority.client();
    old.versions = TLS12;
    let error = old.connect(address, "a.test").err().unwrap().to_string();
    assert!(error.contains("ProtocolVersion"), "{error}");
    let mut client = Client::connect(address);
    client.send(b"\x16\x03\x01\0\x04\x02\0\0\0");
    let alert = client.rest();
    assert_eq!(alert[..3], [0x15, 3, 3], "{alert:?}");
    assert_eq!(alert[5], 2, "{alert:?}");
}

#[test]
fn close_notify_is_sent_and_a_peer_without_it_counts_as_cut() {
    let (authority, port) = secure(|_| ());
    let (sender, ended) = mpsc::channel();
    let app = move |handshake: Handshake| {
        let sender = sender.clone();
        async move {
            let mut connection = handshake.accept(Accept::default()).await?;
            let result = connection
                .answer(|_, _| Ok::<_, polysock::ConnectionError>(()))
                .await;
            let clean = connection.closed().is_some_and(|closed| closed.clean);
            sender.send((result.map_err(|error| error.to_string()), clean))?;
            Ok(())
        }
    };
    let address = serve(Gateway::with_site(Site::new(app), port));
    let connect = |opening: &str| {
        let mut client = authority.client().connect(address, "a.test").unwrap();
        client.send(opening);
        assert_status(&client.head(), 101);
        client
    };
    let hixie75 = "GET /chat HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
                   Host: a.test\r\nOrigin: https://a.test\r\n\r\n";

    // A close frame: our close comes back, followed by our end of the stream.
    let mut client = connect(RFC6455);
    client.send(frame(0x88, b"\x03\xe8"));
    assert_eq!(client.rest().unwrap(), unmasked(0x88, b"\x03\xe8"));
    assert_eq!(ended.recv().unwrap(), (Ok(()), true));

    // In hixie-75 the end of the stream is the close.
    let mut client = connect(hixie75);
    client.finish();
    assert_eq!(client.rest().unwrap(), b"");
    assert_eq!(ended.recv().unwrap(), (Ok(()), true));

    let aborted = "the peer disconnected without a closing handshake";
    for opening in [RFC6455, hixie75] {
        let client = connect(opening);
        client.stream().shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(
            ended.recv().unwrap(),
            (Err(aborted.to_owned()), false),
            "{opening}"
        );
    }
}

/// The beginning of a ClientHello.
const HALF: &[u8] = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";

#[test]
fn an_incomplete_tls_handshake_ends_at_its_deadline() {
    let (_authority, port) = secure(|_| ());
    let port = PortSettings {
        handshake_timeout: Duration::from_millis(300),
        ..port
    };
    let address = serve(Gateway::with_site(Site::new(echo), port));
    let began = Instant::now();
    let mut client = Client::connect(address);
    client.send(HALF);
    client.gone();
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_oldest_incomplete_tls_handshake_is_displaced() {
    let (authority, port) = secure(|_| ());
    let port = PortSettings {
        handshake_timeout: Duration::from_secs(3600),
        connections: ConnectionLimits {
            handshakes: 2,
            ..ConnectionLimits::default()
        },
        ..port
    };
    let address = serve(Gateway::with_site(Site::new(echo), port));
    let mut half: Vec<Client> = Vec::new();
    for _ in 0..8 {
        let mut client = Client::connect(address);
        client.send(HALF);
        half.push(client);
        let mut client = authority.client().connect(address, "a.test").unwrap();
        opens(&mut client);
        echoes(&mut client);
    }
    for client in half.iter_mut().take(6) {
        client.gone();
    }
}

#[test]
fn tls_inside_of_tls_is_refused() {
    let (authority, port) = secure(|_| ());
    let address = serve(Gateway::with_site(Site::new(echo), port));
    let mut client = authority.client().connect(address, "a.test").unwrap();
    client.send(HALF);
    let error = client.rest().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_proxy_header_precedes_tls() {
    let (authority, port) = secure(|_| ());
    let port = PortSettings {
        proxy_protocol: "127.0.0.0/8".parse::<Trusted>().unwrap(),
        ..port
    };
    let address = serve(Gateway::with_site(Site::new(tells), port));
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n")
        .unwrap();
    let mut client = TlsClient::over(stream, authority.client().config(), "a.test").unwrap();
    opens(&mut client);
    client.send(frame(0x81, ""));
    let mut text = [0; 256];
    let count = client.read(&mut text).unwrap();
    let text = String::from_utf8_lossy(&text[2..count]);
    assert!(
        text.starts_with("secure true Some(192.0.2.7:4711)"),
        "{text}"
    );
}

#[test]
fn a_full_port_closes_a_tls_connection_without_an_answer() {
    let (authority, port) = secure(|_| ());
    let port = PortSettings {
        connections: ConnectionLimits {
            connections: 1,
            ..ConnectionLimits::default()
        },
        ..port
    };
    let address = serve(Gateway::with_site(Site::new(echo), port));
    let mut client = authority.client().connect(address, "a.test").unwrap();
    opens(&mut client);
    let error = authority.client().connect(address, "a.test").err().unwrap();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
        ),
        "{error}"
    );
    echoes(&mut client);
}
