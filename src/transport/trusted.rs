//! The peers that are trusted to name the client behind them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

/// The peers that are trusted to name the client behind them. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    /// The trusted networks. An IPv4 address matches as IPv4, even on a socket for both versions.
    pub networks: Vec<IpNet>,
    /// True if peers without addresses are trusted, for example on a Unix socket.
    pub unix: bool,
}

/// The error of a text that names no peers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a network: write 10.0.0.0/8, 192.0.2.7, 2001:db8::/32 or unix")]
pub struct TrustedError(String);

impl Trusted {
    /// Returns a set of all peers.
    pub fn everyone() -> Self {
        Self {
            networks: vec![
                IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0),
                IpNet::new_assert(Ipv6Addr::UNSPECIFIED.into(), 0),
            ],
            unix: true,
        }
    }

    /// Returns the peers on this machine, and those in networks that are not part of the Internet:
    /// private networks (RFC 1918, RFC 4193) and links without a router (RFC 3927, RFC 4291
    /// §2.5.6). The network that providers share between customers (RFC 6598) is not included.
    pub fn private() -> Self {
        let v4 = [
            ([127, 0, 0, 0], 8),
            ([10, 0, 0, 0], 8),
            ([172, 16, 0, 0], 12),
            ([192, 168, 0, 0], 16),
            ([169, 254, 0, 0], 16),
        ];
        let v6 = [
            (Ipv6Addr::LOCALHOST, 128),
            (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
            (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
        ];
        let v4 = v4.map(|(address, len)| IpNet::new_assert(address.into(), len));
        let v6 = v6.map(|(address, len)| IpNet::new_assert(address.into(), len));
        Self {
            networks: v4.into_iter().chain(v6).collect(),
            unix: true,
        }
    }

    /// Adds a network, an address, or `unix`.
    ///
    /// # Errors
    ///
    /// The text is none of them.
    pub fn add(&mut self, text: &str) -> Result<(), TrustedError> {
        if text == "unix" {
            self.unix = true;
            return Ok(());
        }
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse::<IpNet>().or_else(|_| address());
        let network = network.map_err(|_| TrustedError(text.to_owned()))?;
        self.networks.push(network);
        Ok(())
    }

    /// True if the peer with this address, or without one, is trusted.
    #[inline]
    pub fn includes(&self, address: Option<SocketAddr>) -> bool {
        let Some(address) = address else {
            return self.unix;
        };
        if self.networks.is_empty() {
            return false;
        }
        let address = address.ip().to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }
}

impl From<Vec<IpNet>> for Trusted {
    fn from(networks: Vec<IpNet>) -> Self {
        Self {
            networks,
            unix: false,
        }
    }
}

/// Reads a list that is separated by commas.
impl FromStr for Trusted {
    type Err = TrustedError;

    fn from_str(text: &str) -> Result<Self, TrustedError> {
        let mut trusted = Self::default();
        for part in text.split(',') {
            trusted.add(part.trim())?;
        }
        Ok(trusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_trusted_by_its_network_or_its_unix_socket() {
        let trusted: Trusted = "10.0.0.0/8, 192.0.2.7,2001:db8::/32".parse().unwrap();
        for (address, is_trusted) in [
            (Some("10.1.2.3:4"), true),
            (Some("[::ffff:10.1.2.3]:4"), true),
            (Some("192.0.2.7:1"), true),
            (Some("192.0.2.8:1"), false),
            (Some("[2001:db8::1]:1"), true),
            (Some("[::1]:1"), false),
            (None, false),
        ] {
            let address = address.map(|address| address.parse().unwrap());
            assert_eq!(trusted.includes(address), is_trusted, "{address:?}");
        }
        let unix: Trusted = "unix".parse().unwrap();
        assert!(unix.includes(None) && !unix.includes(Some("10.0.0.1:1".parse().unwrap())));
        for other in [
            "",
            "10.0.0.0/33",
            "10.0.0",
            "localhost",
            "10.0.0.1:80",
            "10.0.0.0/8,",
        ] {
            assert!(other.parse::<Trusted>().is_err(), "{other}");
        }
    }

    #[test]
    fn recognises_private_networks() {
        for (address, is_private) in [
            ("127.1.2.3", true),
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("192.169.1.1", false),
            ("169.254.1.1", true),
            ("100.64.0.1", false),
            ("203.0.113.7", false),
            ("::1", true),
            ("::2", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:10.0.0.1", true),
            ("::ffff:203.0.113.7", false),
            ("2001:db8::1", false),
        ] {
            let address = Some(SocketAddr::new(address.parse().unwrap(), 1));
            assert_eq!(
                Trusted::private().includes(address),
                is_private,
                "{address:?}"
            );
            assert!(Trusted::everyone().includes(address));
        }
        assert!(Trusted::private().includes(None) && Trusted::everyone().includes(None));
    }
}
