//! The sockets that accept connections.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt;
use socket2::Socket;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::incidents::Incidents;

/// The pause after a failed accept. Without free file descriptors, an immediate retry would only
/// use CPU time.
const PAUSE: Duration = Duration::from_millis(50);

/// A listening socket, registered with the current runtime.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// An accepted connection.
#[derive(Debug)]
pub(super) enum Incoming {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Listener {
    /// Registers a socket with the current runtime.
    ///
    /// # Errors
    ///
    /// The runtime cannot register the socket.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        let is_unix = socket.local_addr()?.is_unix();
        Ok(if is_unix {
            Self::Unix(UnixListener::from_std(socket.into())?)
        } else {
            Self::Tcp(TcpListener::from_std(socket.into())?)
        })
    }

    /// The address of a TCP socket; `None` for a Unix socket.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Accepts the next connection. A failure, such as a lack of file descriptors, is logged and
    /// followed by a pause. If the listener has been shut down, the future is never ready.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no connection is lost.
    pub(super) async fn accept(&self, incidents: &Incidents) -> Incoming {
        loop {
            match self.accept_one().await {
                Ok(incoming) => return incoming,
                // The client disconnected before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // The socket has been shut down.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => pending().await,
                Err(error) => {
                    incidents.accept_failed(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Accepts a connection if the kernel has one ready; `None` if not.
    pub(super) fn accept_now(&self) -> Option<Incoming> {
        self.accept_one().now_or_never()?.ok()
    }

    async fn accept_one(&self) -> io::Result<Incoming> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok(Incoming::Tcp(stream, address))
            }
            Self::Unix(listener) => Ok(Incoming::Unix(listener.accept().await?.0)),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}
