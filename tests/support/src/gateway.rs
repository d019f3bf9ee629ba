//! A server of the library, for tests without the program.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use polysock::protocols::PROTOCOLS;
use polysock::{Gateway, Peer, PortSettings, Site};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use crate::PATIENCE;

/// Creates a gateway to a site, with all protocols enabled.
pub fn in_all_protocols(site: Site) -> Gateway {
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    Gateway::with_site(site, settings)
}

/// Serves a gateway on a free port, in a thread with its own runtime. The thread ends with the
/// process.
pub fn serve(gateway: Gateway) -> SocketAddr {
    let (sender, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
            let listener = listener.expect("a free port");
            let local = listener.local_addr().expect("an address");
            sender.send(local).expect("somebody waits for it");
            gateway.serve(listener, pending(), Duration::ZERO).await
        })
    });
    address.recv().expect("it listens")
}

/// Returns the status of the answer to a client that sends these bytes from this address, and the
/// text after the head, up to `text` or the end.
pub async fn answer(gateway: &Gateway, from: &str, bytes: &[u8], text: &str) -> (u16, String) {
    let (mut ours, theirs) = duplex(1 << 16);
    let from = from.parse().expect("an address");
    let peer = Peer {
        address: Some(SocketAddr::new(from, 1234)),
        ..Peer::default()
    };
    let gateway = gateway.clone();
    tokio::spawn(async move { gateway.serve_connection(theirs, peer).await });
    ours.write_all(bytes).await.expect("room");
    let mut came = Vec::new();
    let read = async {
        loop {
            let count = ours.read_buf(&mut came).await.expect("no reset");
            let answer = String::from_utf8_lossy(&came).into_owned();
            if let Some((head, behind)) = answer.split_once("\r\n\r\n")
                && (count == 0 || behind.contains(text))
            {
                let status = head
                    .split(' ')
                    .nth(1)
                    .and_then(|status| status.parse().ok());
                break (status.expect("a status"), behind.to_owned());
            }
        }
    };
    timeout(PATIENCE, read).await.expect("an answer")
}
