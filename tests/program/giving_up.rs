//! A client that disconnects while its upstream is dialled: the dial is cancelled immediately.

use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use polysock::protocols::{Dial, Event, PROTOCOLS, find_protocol};
use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::http2::{self, Peer};
use polysock_test_support::member::CONTEXT;
use polysock_test_support::opening::RFC6455;
use polysock_test_support::server::Server;
use polysock_test_support::wire_peer::{Seen, WirePeer};

use crate::POLYSOCK;

/// Far longer than the patience of a test.
const CONNECT_TIMEOUT: &[&str] = &["--connect-timeout", "10m", "--handshake-timeout", "10m"];

/// Starts a server that reads requests and never answers. It sends `()` for each request, and for
/// each end.
fn silent() -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, events) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut client = Client::over(stream.unwrap());
            client.head();
            sender.send(()).unwrap();
            client.gone();
            sender.send(()).unwrap();
        }
    });
    (address, events)
}

fn gateway(upstream: SocketAddr) -> Server {
    let url = format!("ws://{upstream}");
    POLYSOCK.serve(&[CONNECT_TIMEOUT, &["--protocols", "all", &url]].concat())
}

#[test]
fn a_client_that_hangs_up_ends_the_dial_in_every_protocol() {
    let (upstream, events) = silent();
    let mut gateway = gateway(upstream);
    for protocol in PROTOCOLS {
        for how in [Shutdown::Write, Shutdown::Both] {
            let mut client = gateway.connect();
            let dial = Dial {
                host: "localhost".into(),
                ..Dial::default()
            };
            let mut request = BytesMut::new();
            let mut dialer = protocol.dial(&dial, &CONTEXT).unwrap();
            dialer.advance(&mut BytesMut::new(), &mut request).unwrap();
            client.send(request);
            let name = protocol.name();
            events.recv_timeout(PATIENCE).expect(name);
            client.stream().shutdown(how).unwrap();
            events.recv_timeout(PATIENCE).expect(name);
        }
    }
    // No client was left to receive a refusal.
    let log = gateway.stop();
    assert!(!log.contains("reject") && !log.contains("WARN"), "{log}");
}

#[test]
fn messages_sent_before_the_answer_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws+hybi10://{}", listener.local_addr().unwrap());
    let gateway = POLYSOCK.serve(&[&url]);
    let mut client = gateway.connect();
    let early = "x".repeat(20_000);
    let mut long = b"\x81\xfe\x4e\x20\0\0\0\0".to_vec();
    long.extend_from_slice(early.as_bytes());
    client.send([RFC6455.as_bytes(), &frame(0x81, "early"), &long].concat());
    let (stream, _) = listener.accept().unwrap();
    let hybi10 = find_protocol("hybi-10").unwrap();
    let mut upstream = WirePeer::accept(hybi10, stream);
    let mut texts = Vec::new();
    while texts.len() < 5 + early.len() {
        let Seen::Event(Event::Data(piece)) = upstream.see() else {
            panic!("no message");
        };
        texts.extend_from_slice(&piece.payload);
    }
    assert!(texts == ["early", &early].concat().as_bytes());
}

#[test]
fn a_reset_stream_ends_the_dial() {
    let (upstream, events) = silent();
    let gateway = gateway(upstream);
    let fields = [("sec-websocket-version", "13")];
    let came = || events.recv_timeout(PATIENCE).unwrap();
    http2::run(async {
        let mut peer = Peer::connect(gateway.address).await;
        let (answer, mut stream) = peer.begin("websocket", "/", &fields).await;
        came();
        stream.send_reset(h2::Reason::CANCEL);
        came();
        drop(answer);
        let (_answer, mut stream) = peer.begin("websocket", "/", &fields).await;
        came();
        stream.send_data(bytes::Bytes::new(), true).unwrap();
        came();
        let (_answer, _stream) = peer.begin("websocket", "/", &fields).await;
        came();
        drop(peer);
        came();
    });
}

#[test]
fn a_dial_continues_if_another_client_hangs_up() {
    let (upstream, events) = silent();
    let gateway = gateway(upstream);
    let (mut one, two) = (gateway.connect(), gateway.connect());
    one.send(RFC6455);
    events.recv_timeout(PATIENCE).unwrap();
    drop(two);
    let end = events.recv_timeout(Duration::from_millis(200));
    assert!(end.is_err(), "given up for another's sake");
}
