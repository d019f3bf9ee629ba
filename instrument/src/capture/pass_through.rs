//! A port that forwards bytes to any server.

use std::net::{self, SocketAddr};
use std::time::Duration;
use std::{io, thread};

use polysock::{StartError, Transport};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::writer::CaptureWriter;

/// The pause after a failed accept, for example when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// A thread that forwards the bytes of clients to a server and back. The bytes are captured, but
/// not interpreted.
#[derive(Debug)]
pub struct PassThrough {
    thread: thread::JoinHandle<io::Result<()>>,
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
}

impl PassThrough {
    /// Binds the addresses, and forwards their connections to the server at `HOST:PORT`. `patience`
    /// limits the time for each connection to the server.
    ///
    /// # Errors
    ///
    /// An address cannot be bound, or the thread cannot be started.
    pub fn start(
        addresses: &[SocketAddr],
        server: &str,
        patience: Duration,
        writer: &CaptureWriter,
    ) -> Result<Self, StartError> {
        let bind = |&address: &SocketAddr| {
            let failed = |source| StartError::Bind {
                address: address.into(),
                source,
            };
            bind(address).map_err(failed)
        };
        let listeners = addresses.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        let addresses = listeners.iter().map(|(_, address)| *address).collect();
        let port = Port {
            server: server.to_owned(),
            patience,
            writer: writer.clone(),
        };
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let thread = thread::Builder::new()
            .name("pass-through".into())
            .spawn(move || port.run(listeners, &stopping))
            .map_err(StartError::Thread)?;
        Ok(Self {
            thread,
            addresses,
            stop,
        })
    }

    /// Returns the addresses that it listens on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops the thread. Open connections are cut: the thread does not know their protocol, so it
    /// cannot close them properly.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until the thread has ended. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// The thread has failed.
    pub fn join(self) -> io::Result<()> {
        let panicked = |_| io::Error::other("the forwarding thread panicked");
        self.thread.join().map_err(panicked)?
    }
}

fn bind(address: SocketAddr) -> io::Result<(net::TcpListener, SocketAddr)> {
    let listener = net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

#[derive(Clone, Debug)]
struct Port {
    server: String,
    patience: Duration,
    writer: CaptureWriter,
}

impl Port {
    fn run(
        self,
        listeners: Vec<(net::TcpListener, SocketAddr)>,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut accepting = JoinSet::new();
            for (listener, _) in listeners {
                accepting.spawn(self.clone().accept(TcpListener::from_std(listener)?));
            }
            stop.cancelled().await;
            Ok(())
        })
    }

    async fn accept(self, listener: TcpListener) {
        let mut is_failing = false;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    is_failing = false;
                    if let Err(error) = stream.set_nodelay(true) {
                        debug!(%peer, %error, "the client disconnected immediately");
                        continue;
                    }
                    let client = self.writer.tap(stream, peer);
                    tokio::spawn(self.clone().hand_on(client, peer));
                }
                Err(error) => {
                    // Logged once until an accept succeeds: without descriptors, accept fails again
                    // and again.
                    if !std::mem::replace(&mut is_failing, true) {
                        warn!(%error, "cannot accept connections");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn hand_on(self, mut client: Box<dyn Transport>, peer: SocketAddr) {
        let connecting = timeout(self.patience, TcpStream::connect(&self.server)).await;
        let connected = connecting.unwrap_or_else(|late| Err(late.into()));
        let mut server = match connected.and_then(|server| {
            server.set_nodelay(true)?;
            Ok(server)
        }) {
            Ok(server) => server,
            Err(error) => {
                warn!(%peer, server = self.server, %error, "the server cannot be reached");
                return;
            }
        };
        if let Err(error) = copy_bidirectional(&mut client, &mut server).await {
            debug!(%peer, %error, "connection failed");
        }
    }
}
