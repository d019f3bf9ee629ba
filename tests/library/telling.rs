//! The client data that an upstream receives, by its settings, and the upstream fields that a
//! client gets.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use bytes::BytesMut;
use polysock::apps::Relay;
use polysock::protocols::{ProxiedEnds, ProxyHeader, ProxyVersion};
use polysock::upstream::{
    self, ForwardSettings, ForwardedStyle, HostSent, Rewrite, UpstreamSettings,
};
use polysock::{Accept, BoxError, Fields, Gateway, Handshake, PortSettings, Rejection, Site};
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::gateway::serve;
use polysock_test_support::opening::{RFC6455, assert_status, field, with};

/// Starts a port that trusts PROXY headers from this machine, and relays to this URL.
fn relay(url: &str, settings: UpstreamSettings) -> SocketAddr {
    let upstream = upstream::parse(url, settings).unwrap();
    let settings = PortSettings {
        proxy_protocol: "127.0.0.0/8".parse().unwrap(),
        ..PortSettings::default()
    };
    serve(Gateway::with_site(
        Site::new(Relay::new(upstream)),
        settings,
    ))
}

/// Connects on behalf of the client `source`.
fn connect(address: SocketAddr, source: &str, request: &str) -> Client {
    let header = ProxyHeader {
        ends: ProxiedEnds::Tcp {
            source: source.parse().unwrap(),
            destination: "192.0.2.1:443".parse().unwrap(),
        },
        secure: true,
    };
    let mut bytes = BytesMut::new();
    header.write(ProxyVersion::V2, &mut bytes);
    let mut client = Client::connect(address);
    client.send(&bytes);
    client.send(request);
    client
}

/// Reads the PROXY header at the start of a connection, and asserts the bytes after it.
fn header_of(mut stream: impl Read, behind: &str) -> ProxyHeader {
    let mut bytes = BytesMut::new();
    let header = loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.extend_from_slice(&byte);
        if let Some(header) = ProxyHeader::read(&mut bytes).unwrap() {
            break header;
        }
    };
    let mut next = vec![0; behind.len()];
    stream.read_exact(&mut next).unwrap();
    assert_eq!(String::from_utf8(next).unwrap(), behind);
    header
}

/// Reads the PROXY header of each connection of a listener.
fn headers(
    streams: impl Iterator<Item = impl Read> + Send + 'static,
    behind: &'static str,
) -> Receiver<ProxyHeader> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in streams {
            if sender.send(header_of(stream, behind)).is_err() {
                return;
            }
        }
    });
    receiver
}

#[test]
fn a_proxy_header_names_the_client_to_every_kind_of_upstream() {
    let directory = std::env::temp_dir().join(format!("polysock-telling-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let _ = std::fs::remove_file(&path);
    let unix = UnixListener::bind(&path).unwrap();
    let [tcp, websocket] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let targets = [
        format!("tcp://{}", tcp.local_addr().unwrap()),
        format!("unix:{}", path.display()),
        format!("ws://{}", websocket.local_addr().unwrap()),
    ];
    let accepted =
        |listener: TcpListener| std::iter::from_fn(move || Some(listener.accept().ok()?.0));
    let found = [
        headers(accepted(tcp), "Hello"),
        headers(
            std::iter::from_fn(move || Some(unix.accept().ok()?.0)),
            "Hello",
        ),
        headers(accepted(websocket), "GET /chat HTTP/1.1\r\n"),
    ];
    // The text `Hello`, masked with zeroes.
    let hello = b"\x81\x85\0\0\0\0Hello";
    for (url, found) in targets.iter().zip(&found) {
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let settings = UpstreamSettings {
                proxy_protocol: Some(version),
                ..UpstreamSettings::default()
            };
            let address = relay(url, settings);
            for source in ["203.0.113.7:51234", "[2001:db8::7]:51234"] {
                let mut client = connect(address, source, RFC6455);
                client.send(hello);
                let header = found.recv_timeout(PATIENCE).unwrap();
                let ProxiedEnds::Tcp { source: told, .. } = header.ends else {
                    panic!("{header:?}");
                };
                assert_eq!(told.to_string(), source, "{url} {version:?}");
                assert_eq!(header.secure, version == ProxyVersion::V2);
            }
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Refuses `/401`, and accepts any other path. Both answers set a cookie and contain the received
/// head.
async fn answer(handshake: Handshake) -> Result<(), BoxError> {
    let request = handshake.request();
    let head = String::from_utf8_lossy(request.head.as_bytes()).into_owned();
    let fields = Fields::from([
        ("Set-Cookie", "a=1"),
        ("Server", "secret/1.2"),
        ("X-First", "upstream"),
    ]);
    if request.path().starts_with("/401") {
        let rejection = Rejection {
            status: 401,
            fields,
            body: head.into(),
            cause: None,
        };
        handshake.reject(rejection);
        return Ok(());
    }
    let accept = Accept {
        fields,
        ..Accept::default()
    };
    Ok(handshake.accept(accept).await?.close(None).await?)
}

#[test]
fn fields_host_and_path_follow_the_settings() {
    let server = serve(Gateway::new(answer));
    let mut forward = ForwardSettings {
        host: HostSent::Client,
        style: ForwardedStyle::Forwarded,
        rewrite: Rewrite::Strip("/vnc/{token}".parse().unwrap()),
        ..ForwardSettings::default()
    };
    let request = &mut forward.request;
    request.drop("Cookie").unwrap();
    request.set("Origin", "http://ours.example").unwrap();
    request.set("Authorization", "Bearer t").unwrap();
    request.add("X-Via", "polysock").unwrap();
    let response = &mut forward.response;
    response.drop("Server").unwrap();
    response.set("X-First", "gateway").unwrap();
    response.add("Set-Cookie", "b=2").unwrap();
    let settings = UpstreamSettings {
        forward,
        ..UpstreamSettings::default()
    };
    let address = relay(&format!("ws://{server}"), settings);
    let asked = RFC6455.replace("/chat", "/vnc/desk-7/401?x=y");
    let asked = with(
        &asked,
        "Cookie: a=1\r\nOrigin: http://page.example\r\nAuthorization: Basic YQ==\r\n\
         X-Via: proxy\r\nX-Forwarded-For: 192.0.2.66\r\nX-Other: 1\r\n",
    );
    let mut client = connect(address, "203.0.113.7:1", &asked);
    let head = client.head();
    assert_status(&head, 401);
    let told = String::from_utf8(client.rest()).unwrap();
    assert!(told.starts_with("GET /401?x=y HTTP/1.1\r\n"), "{told}");
    for (name, expected) in [
        ("Host", Some("server.example.com")),
        ("Origin", Some("http://ours.example")),
        ("Authorization", Some("Bearer t")),
        ("Cookie", None),
        ("X-Other", Some("1")),
        ("X-Forwarded-For", None),
        (
            "Forwarded",
            Some("for=203.0.113.7;host=server.example.com;proto=https"),
        ),
    ] {
        assert_eq!(field(&told, name), expected, "{name} in {told}");
    }
    assert!(told.contains("X-Via: proxy\r\n") && told.contains("X-Via: polysock\r\n"));
    let asked = asked.replace("/401", "/");
    let accepted = connect(address, "203.0.113.7:1", &asked).head();
    assert_status(&accepted, 101);
    for head in [head, accepted] {
        assert_eq!(field(&head, "Server"), None, "{head}");
        assert_eq!(field(&head, "X-First"), Some("gateway"), "{head}");
        let has = |cookie: &str| head.contains(&format!("Set-Cookie: {cookie}\r\n"));
        assert!(has("a=1") && has("b=2"), "{head}");
    }
    let out = RFC6455.replace("/chat", "/vnc/desk-7/../admin");
    assert_status(&connect(address, "203.0.113.7:1", &out).head(), 400);
}
