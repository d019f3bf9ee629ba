//! A socket of ZeroMQ that is bound.

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

/// How many peers a socket has at most; more wait.
const MAX_PEERS: usize = 1024;

/// How long is waited after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket of ZeroMQ (ZMTP 3, mechanism NULL) that is bound, and publishes what its peers send.
///
/// | socket | a message is |
/// |---|---|
/// | [`pull`](Self::pull) | one part: an item of GRIP, as `J` and JSON, `T` and a tnetstring, or a tnetstring alone |
/// | [`sub`](Self::sub) | two parts: the channel, and such an item without `channel` |
///
/// What is none of these, or longer than 1,000,000 bytes, is passed over, and the log is told why, once a second at
/// most. A peer that is no PUSH or no PUB is let go.
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

/// A [`ZmqSocket`] that is bound, and has peers once it [serves](Self::serve).
#[derive(Debug)]
pub struct BoundZmqSocket {
    shared: Arc<Shared>,
    listener: Listener,
    /// Has the file of a Unix socket removed in the end.
    socket: ListeningSocket,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What peers of a socket share.
#[derive(Debug)]
struct Shared {
    address: String,
    kind: Kind,
    publishing: Publishing,
    unpublished: Throttle,
    unfit: Throttle,
    unaccepted: Throttle,
}

/// A byte stream of a peer.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl ZmqSocket {
    /// A PULL socket: each message comes from one of its peers, and to nobody else. Where a peer is connected to several
    /// PULL sockets, it deals its messages out among them.
    pub fn pull(channels: Channels) -> Self {
        Self::new(Kind::Pull, channels)
    }

    /// A SUB socket, which is subscribed to everything.
    pub fn sub(channels: Channels) -> Self {
        Self::new(Kind::Sub, channels)
    }

    fn new(kind: Kind, channels: Channels) -> Self {
        Self {
            kind,
            publishing: Publishing::new(channels),
        }
    }

    /// Has a PULL socket take, beside items, any JSON object that has a text in this field: that is the channel, and the
    /// whole JSON the message.
    #[must_use]
    pub fn topic_field(self, name: impl Into<String>) -> Self {
        Self {
            publishing: self.publishing.topic_field(name.into()),
            ..self
        }
    }

    /// Binds it, within a runtime of Tokio. A port of 0 becomes a free one, and the file of a Unix socket on which
    /// nobody listens any more is replaced.
    ///
    /// # Errors
    ///
    /// The address is in use, or not permitted; or it is not of this machine alone ([`io::ErrorKind::InvalidInput`]): by
    /// the mechanism NULL, anybody who reaches it may publish.
    pub fn bind(self, address: &ListenAddress) -> io::Result<BoundZmqSocket> {
        local(address)?;
        self.on(ListeningSocket::bind(address, 1)?)
    }

    /// Has it be one that listens already, within a runtime of Tokio.
    ///
    /// # Errors
    ///
    /// It is not of this machine alone, as of [`bind`](Self::bind), or there are no descriptors left.
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
    /// Where it is bound.
    pub fn address(&self) -> &ListenAddress {
        self.socket.address()
    }

    /// Where its peers connect to: `tcp://HOST:PORT` or `ipc://PATH`.
    pub fn endpoint(&self) -> &str {
        &self.shared.address
    }

    /// Serves its peers, for ever.
    ///
    /// # Cancel safety
    ///
    /// Once it is dropped, all its peers are let go.
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
                        warn!(socket, %error, times, "a peer of ZeroMQ cannot be accepted");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Shared {
    /// Publishes what a peer sends, until it goes or is let go.
    async fn talk(self: Arc<Self>, stream: Box<dyn Stream>) {
        let Err(error) = self.publish_all(stream).await;
        let socket = &*self.address;
        match error {
            PeerError::Io(error) => debug!(socket, %error, "a peer of ZeroMQ is gone"),
            error => {
                if let Some(times) = self.unfit.times() {
                    warn!(socket, %error, times, "a peer of ZeroMQ is let go");
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
                warn!(socket, %error, times, "a message of ZeroMQ is not published");
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

/// Refuses an address that others than this machine reach.
fn local(address: &ListenAddress) -> io::Result<()> {
    match address {
        ListenAddress::Tcp(tcp) if !tcp.ip().is_loopback() => {
            let problem = "whoever reaches it may publish, so it has to be on this machine alone";
            Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
        }
        _ => Ok(()),
    }
}

/// How ZeroMQ writes an address.
fn endpoint(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("tcp://{address}"),
        ListenAddress::Unix { path, .. } => format!("ipc://{}", path.display()),
    }
}
