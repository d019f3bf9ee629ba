//! The header of the PROXY protocol, in which a proxy names its client before all other data.
//!
//! The specification is HAProxy's `doc/proxy-protocol.txt`; section numbers refer to it.
//!
//! ```text
//!   version 1   PROXY TCP4 203.0.113.7 192.0.2.1 51234 443 CR LF       a line of up to 107 bytes
//!   version 2   12 bytes of signature, command, family, length,       16 bytes, and the rest by length
//!               addresses, and fields by type, length and value
//! ```

mod binary;
mod text;

use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// The header of a proxied connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The ends of the connection.
    pub ends: ProxiedEnds,
    /// Whether the client uses TLS to the proxy. Only a header of version 2 can say so.
    pub secure: bool,
}

/// The ends of a proxied connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxiedEnds {
    /// The connection is the proxy's own (such as a health check), or the proxy does not know the
    /// client: the ends are those of the connection to the proxy.
    #[default]
    Unknown,
    /// Addresses of TCP: both of IPv4, or both of IPv6.
    Tcp {
        /// The client.
        source: SocketAddr,
        /// The address to which the client connected.
        destination: SocketAddr,
    },
    /// Paths of Unix sockets, empty for unnamed ones.
    Unix {
        /// The client.
        source: Bytes,
        /// The socket to which the client connected.
        destination: Bytes,
    },
}

/// The version of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary, which can also say that the client uses TLS.
    V2,
}

/// The reason why no header was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// The connection begins with something else.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// The header is invalid.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
    /// The header announces more than the limit.
    #[error("the PROXY header of {len} bytes is over the limit of {limit}")]
    TooLong {
        /// The announced length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

impl ProxyHeader {
    /// The longest header that is accepted, in bytes. Only the fields of version 2 can need more
    /// than 232 bytes; the longest known ones contain a client's certificate.
    pub const MAX: usize = 4096;

    /// Takes a header of either version off the received bytes; `None` while it is incomplete. The
    /// bytes after it are left. At most [`MAX`](Self::MAX) bytes are needed to decide.
    ///
    /// # Errors
    ///
    /// The bytes do not begin with a header, which the first different byte shows, or the header
    /// breaks the specification. Then no bytes are taken off.
    pub fn read(src: &mut BytesMut) -> Result<Option<Self>, ProxyHeaderError> {
        match src.first() {
            None => Ok(None),
            Some(b'P') => text::read(src),
            Some(_) => binary::read(src),
        }
    }

    /// Writes the header. Ends that the version cannot express are written as unknown: in version 1
    /// the paths of Unix sockets, in version 2 paths of more than 108 bytes.
    pub fn write(&self, version: ProxyVersion, dst: &mut BytesMut) {
        match version {
            ProxyVersion::V1 => text::write(self, dst),
            ProxyVersion::V2 => binary::write(self, dst),
        }
    }
}

/// Returns the addresses in one family, as a header requires: IPv4 if both are, even if mapped into
/// IPv6 (RFC 4291 §2.5.5.2), otherwise IPv6.
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
