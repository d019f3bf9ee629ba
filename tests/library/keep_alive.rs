//! TCP keep-alive settings, by which the kernel detects clients that have disappeared.

use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

use polysock::apps::echo;
use polysock::{Gateway, PortSettings, Site};
use polysock_test_support::PATIENCE;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

#[tokio::test]
async fn an_accepted_socket_has_keep_alive_and_a_user_timeout() {
    let keep_alive = Duration::from_secs(7);
    let settings = PortSettings {
        keep_alive,
        ..PortSettings::default()
    };
    let (sender, found) = mpsc::channel();
    let gateway = Gateway::with_site(Site::new(echo), settings).with_tap(move |stream, _| {
        let socket = SockRef::from(&stream);
        let probes = socket.keepalive().unwrap();
        let (time, patience) = (socket.tcp_keepalive_time(), socket.tcp_user_timeout());
        let _ = sender.send((probes, time.unwrap(), patience.unwrap()));
        Box::new(stream)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(gateway.serve(listener, pending(), Duration::ZERO));
    // The option is set on the listener before the first accept, and later connections inherit it.
    tokio::task::yield_now().await;
    let _client = TcpStream::connect(address).await.unwrap();
    let accepted = async {
        loop {
            tokio::task::yield_now().await;
            if let Ok(found) = found.try_recv() {
                return found;
            }
        }
    };
    let found = timeout(PATIENCE, accepted).await.unwrap();
    assert_eq!(found, (true, keep_alive, Some(keep_alive * 2)));
    serving.abort();
}
