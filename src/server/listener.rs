//! What accepts connections.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt;
use socket2::Socket;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::incidents::Incidents;

/// How long to wait after a failed accept: without file descriptors, trying again at once would
/// only heat the machine.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that listens, on the current runtime.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What came in.
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
    /// The runtime cannot.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        let is_unix = socket.local_addr()?.is_unix();
        Ok(if is_unix {
            Self::Unix(UnixListener::from_std(socket.into())?)
        } else {
            Self::Tcp(TcpListener::from_std(socket.into())?)
        })
    }

    /// The address, where it has one.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The next connection. A failure, such as having no file descriptors left, is told and waited out;
    /// where the listener was shut, there is none.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no connection is lost.
    pub(super) async fn accept(&self, incidents: &Incidents) -> Incoming {
        loop {
            match self.accept_one().await {
                Ok(incoming) => return incoming,
                // The client was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // It has been shut.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => pending().await,
                Err(error) => {
                    incidents.accept_failed(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// A connection that the kernel has ready.
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
