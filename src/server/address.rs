//! Where a gateway listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where a gateway listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// A TCP port; port 0 becomes a free one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix {
        /// Where it is.
        path: PathBuf,
        /// Who may connect, as permissions of a file (0o660); `None` for whoever the umask lets.
        mode: Option<u32>,
    },
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// `127.0.0.1:8080`, or `unix:/run/app.sock`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}
