//! A server of the library, beside the program.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use polysock::Gateway;

/// Serves a gateway on a free port, in a thread with a runtime of its own that ends with the
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
