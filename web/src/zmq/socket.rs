//! A bound ZeroMQ socket.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use polysock::{Channels, ListenAddress, ListeningSocket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::connection::{Connection, PeerError};
use super::publishing::Publishing;
use super::zmtp::Kind;
use crate::throttle::Throttle;

/// The most peers of a socket. Further ones wait until a peer disconnects.
const MAX_PEERS: usize = 1024;

/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound ZeroMQ socket (ZMTP 3, mechanism NULL) that publishes the messages of its peers.
///
/// | socket | a message is |
/// |---|---|
/// | [`pull`](Self::pull) | one part: a GRIP item, as `J` + JSON, `T` + tnetstring, or tnetstring |
/// | [`sub`](Self::sub) | two parts: the channel, and such an item without `channel` |
///
/// Other messages, and messages longer than 1,000,000 bytes, are dropped. The reason is logged at
/// most once a second. A peer that is not a PUSH or a PUB socket is disconnected.
///
/// ```no_run
/// use polysock::{Channels, ListenAddress};
/// use polysock_web::ZmqSocket;
///
/// # async fn example(channels: Channels) -> std::io::Result<()> {
/// // For the web site of Ratchet's push tutorial, as it is.
/// let socket = ZmqSocket::pull(channels).topic_field("category");
/// let address = ListenAddress::Tcp(([127, 0, 0, 1], 5555).into());
/// socket.bind(&address)?.serve().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ZmqSocket {
    kind: Kind,
    publishing: Publishing,
}

/// A [`ZmqSocket`] that is bound, and accepts peers once it [serves](Self::serve).
#[derive(Debug)]
pub struct BoundZmqSocket {
    shared: Arc<Shared>,
    listener: Listener,
    /// The listening socket, which removes the file of a Unix socket when it is dropped.
    socket: ListeningSocket,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The state that all peers of a socket share.
#[derive(Debug)]
struct Shared {
    address: String,
    kind: Kind,
    publishing: Publishing,
    unpublished: Throttle,
    unfit: Throttle,
    unaccepted: Throttle,
}

/// The byte stream of a peer.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl ZmqSocket {
    /// Creates a PULL socket. A peer that is connected to several PULL sockets distributes its
    /// messages among them, so each message is received by one socket only.
    pub fn pull(channels: Channels) -> Self {
        Self::new(Kind::Pull, channels)
    }

    /// Creates a SUB socket, which is subscribed to everything.
    pub fn sub(channels: Channels) -> Self {
        Self::new(Kind::Sub, channels)
    }

    fn new(kind: Kind, channels: Channels) -> Self {
        Self {
            kind,
            publishing: Publishing::new(channels),
        }
    }

    /// Makes a PULL socket also accept any JSON object that has a text in this field. The text is
    /// the channel, and the whole JSON the message.
    #[must_use]
    pub fn topic_field(self, name: impl Into<String>) -> Self {
        Self {
            publishing: self.publishing.topic_field(name.into()),
            ..self
        }
    }

    /// Binds the socket. Must be called in a Tokio runtime. Port 0 binds a free port, and the file
    /// of a Unix socket without a listener is replaced.
    ///
    /// # Errors
    ///
    /// The address is in use or not permitted, or it is reachable from other machines
    /// ([`io::ErrorKind::InvalidInput`]): the mechanism NULL lets every client publish that can
    /// connect.
    pub fn bind(self, address: &ListenAddress) -> io::Result<BoundZmqSocket> {
        local(address)?;
        self.on(ListeningSocket::bind(address, 1)?)
    }

    /// Uses a socket that is already listening. Must be called in a Tokio runtime.
    ///
    /// # Errors
    ///
    /// The address is reachable from other machines, as for [`bind`](Self::bind), or no file
    /// descriptors are left.
    pub fn on(self, socket: ListeningSocket) -> io::Result<BoundZmqSocket> {
        local(socket.address())?;
        let descriptor = socket.descriptors()?.pop();
        let descriptor = descriptor.ok_or(io::ErrorKind::NotFound)?;
        Ok(BoundZmqSocket {
            listener: Listener::of(socket.address(), descriptor)?,
            shared: Arc::new(Shared {
                address: endpoint(socket.address()),
                kind: self.kind,
                publishing: self.publishing,
                unpublished: Throttle::default(),
                unfit: Throttle::default(),
                unaccepted: Throttle::default(),
            }),
            socket,
        })
    }
}

impl BoundZmqSocket {
    /// Returns the bound address.
    pub fn address(&self) -> &ListenAddress {
        self.socket.address()
    }

    /// Returns the endpoint that peers connect to: `tcp://HOST:PORT` or `ipc://PATH`.
    pub fn endpoint(&self) -> &str {
        &self.shared.address
    }

    /// Serves the peers, and never returns.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future disconnects all peers.
    pub async fn serve(self) {
        let mut peers = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept(), if peers.len() < MAX_PEERS => accepted,
                Some(_) = peers.join_next() => continue,
            };
            match accepted {
                Ok(stream) => {
                    peers.spawn(Arc::clone(&self.shared).talk(stream));
                }
                Err(error) => {
                    if let Some(times) = self.shared.unaccepted.times() {
                        let socket = &*self.shared.address;
                        warn!(socket, %error, times, "a ZeroMQ peer cannot be accepted");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Shared {
    /// Publishes the messages of a peer until it disconnects or is disconnected.
    async fn talk(self: Arc<Self>, stream: Box<dyn Stream>) {
        let Err(error) = self.publish_all(stream).await;
        let socket = &*self.address;
        match error {
            PeerError::Io(error) => debug!(socket, %error, "a ZeroMQ peer disconnected"),
            error => {
                if let Some(times) = self.unfit.times() {
                    warn!(socket, %error, times, "a ZeroMQ peer is disconnected");
                }
            }
        }
    }

    async fn publish_all(
        &self,
        stream: Box<dyn Stream>,
    ) -> Result<std::convert::Infallible, PeerError> {
        let mut connection = Connection::open(stream, self.kind).await?;
        loop {
            let message = connection.next().await?;
            if let Err(error) = self.publishing.publish(self.kind, &message)
                && let Some(times) = self.unpublished.times()
            {
                let socket = &*self.address;
                warn!(socket, %error, times, "a ZeroMQ message is not published");
            }
        }
    }
}

impl Listener {
    fn of(address: &ListenAddress, descriptor: OwnedFd) -> io::Result<Self> {
        Ok(match address {
            ListenAddress::Tcp(_) => Self::Tcp(TcpListener::from_std(descriptor.into())?),
            ListenAddress::Unix { .. } => Self::Unix(UnixListener::from_std(descriptor.into())?),
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Refuses an address that is reachable from other machines.
fn local(address: &ListenAddress) -> io::Result<()> {
    match address {
        ListenAddress::Tcp(tcp) if !tcp.ip().is_loopback() => {
            let problem = "every peer may publish, so it must be reachable only from this machine";
            Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
        }
        _ => Ok(()),
    }
}

/// Returns an address in the notation of ZeroMQ.
fn endpoint(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("tcp://{address}"),
        ListenAddress::Unix { path, .. } => format!("ipc://{}", path.display()),
    }
}
