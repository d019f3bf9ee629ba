//! The client side of the library against slow servers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use polysock::protocols::Dial;
use polysock::upstream::{UpstreamError, UpstreamSettings, WebSocketUpstream};
use socket2::{Domain, Socket, Type};

/// A listener with a full backlog, so that connections get no answer. Also returns the queued
/// client.
fn busy_listener() -> (TcpListener, TcpStream) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let listener = TcpListener::from(socket);
    let first = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener, first)
}

#[tokio::test]
async fn the_connect_timeout_covers_tcp_and_the_opening_handshake() {
    let (listener, _first) = busy_listener();
    let address = listener.local_addr().unwrap().to_string();
    let connect_timeout = Duration::from_secs(2);
    let settings = UpstreamSettings {
        connect_timeout,
        ..UpstreamSettings::default()
    };
    let upstream = WebSocketUpstream::parse(&format!("ws://{address}"), settings).unwrap();
    // TCP retries after a second, and the backlog has room then. The server never answers. The test
    // needs the pause: it makes the server late.
    let accepts_late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        let first = listener.accept().unwrap();
        (first, listener.accept().unwrap())
    });
    let began = Instant::now();
    let end = upstream.dial(Dial::default()).await;
    let took = began.elapsed();
    assert!(matches!(end, Err(UpstreamError::Timeout)), "{end:?}");
    assert!(took >= connect_timeout, "{took:?}");
    assert!(
        took < connect_timeout + Duration::from_millis(700),
        "{took:?}"
    );
    let _accepted = accepts_late.join().unwrap();
}
