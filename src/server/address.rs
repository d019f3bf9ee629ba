//! The address on which a gateway listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The address on which a gateway listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// A TCP address. Port 0 selects a free port.
    Tcp(SocketAddr),
    /// A Unix socket in the file system.
    Unix {
        /// The path of the socket.
        path: PathBuf,
        /// The permissions of the socket's file (0o660), which decide who may connect; `None` for
        /// those that the umask leaves.
        mode: Option<u32>,
    },
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// Writes `127.0.0.1:8080`, or `unix:/run/app.sock`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}
