//! The header of the PROXY protocol, which a proxy sends before all else: for whom it connects.
//!
//! The specification is HAProxy's `doc/proxy-protocol.txt`, whose sections are cited here.
//!
//! ```text
//!   version 1   PROXY TCP4 203.0.113.7 192.0.2.1 51234 443 CR LF       a line of up to 107 bytes
//!   version 2   12 bytes of signature, command, family, length,       16 bytes and what they announce
//!               addresses, and fields by type, length and value
//! ```

mod binary;
mod text;

use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// What a proxy says of the connection that it passes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Its ends.
    pub ends: ProxiedEnds,
    /// Whether the client speaks TLS with the proxy, as far as a header of version 2 says so.
    pub secure: bool,
}

/// The ends of a connection that a proxy passes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxiedEnds {
    /// The connection is the proxy's own, as for a health check, or it does not know the client: the
    /// ends are those of the connection to the proxy.
    #[default]
    Unknown,
    /// Addresses of TCP: both of IPv4, or both of IPv6.
    Tcp {
        /// The client.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
    /// Paths of Unix sockets, empty where they have none.
    Unix {
        /// The client's.
        source: Bytes,
        /// That of the socket it connected to.
        destination: Bytes,
    },
}

/// The form of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary, which can also say that the client speaks TLS.
    V2,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// The connection begins with something else.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// There is one, and this is wrong with it.
    #[error("the PROXY header is broken: {0}")]
    Malformed(&'static str),
    /// It announces more than is taken.
    #[error("the PROXY header of {len} bytes is over the limit of {limit}")]
    TooLong {
        /// What it announces, in bytes.
        len: usize,
        /// The limit.
        limit: usize,
    },
}

impl ProxyHeader {
    /// The longest header that is taken, in bytes. Only the fields of version 2 need more than 232; the
    /// longest that are known carry a client's certificate.
    pub const MAX: usize = 4096;

    /// Takes a header of either version off what comes; `None` while it is incomplete. What is behind it
    /// stays. No more than [`MAX`](Self::MAX) bytes are needed to tell.
    ///
    /// # Errors
    ///
    /// What comes does not begin with one, which the first byte that differs tells; or it breaks the
    /// specification. Nothing is taken off then.
    pub fn read(src: &mut BytesMut) -> Result<Option<Self>, ProxyHeaderError> {
        match src.first() {
            None => Ok(None),
            Some(b'P') => text::read(src),
            Some(_) => binary::read(src),
        }
    }

    /// Writes the header. What the version cannot express is said to be unknown: in version 1 these are
    /// the paths of Unix sockets, in version 2 those of more than 108 bytes.
    pub fn write(&self, version: ProxyVersion, dst: &mut BytesMut) {
        match version {
            ProxyVersion::V1 => text::write(self, dst),
            ProxyVersion::V2 => binary::write(self, dst),
        }
    }
}

/// Addresses as a header has them, which are both of one family: of IPv4 where both are, be it mapped
/// into IPv6 (RFC 4291 §2.5.5.2), or else of IPv6.
fn of_one_family(source: SocketAddr, destination: SocketAddr) -> (IpAddr, IpAddr) {
    let [source, destination] = [source, destination].map(|end| end.ip().to_canonical());
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    let [source, destination] = [source, destination].map(|end| match end {
        IpAddr::V4(end) => end.to_ipv6_mapped(),
        IpAddr::V6(end) => end,
    });
    (source.into(), destination.into())
}
