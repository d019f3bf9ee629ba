//! Whose word is taken.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

/// The peers whose word is taken for who is behind them. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    /// Those in these networks. An address of IPv4 is one of IPv4, also where its socket takes both.
    pub networks: Vec<IpNet>,
    /// Those whose transport has no addresses, as a Unix socket.
    pub unix: bool,
}

/// What names no peers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no network: write 10.0.0.0/8, 192.0.2.7, 2001:db8::/32 or unix")]
pub struct TrustedError(String);

impl Trusted {
    /// Adds a network, an address, or `unix`.
    ///
    /// # Errors
    ///
    /// It is none of them.
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

    /// Whether the peer that has this address, or none, is one of them.
    pub fn includes(&self, address: Option<SocketAddr>) -> bool {
        let Some(address) = address else {
            return self.unix;
        };
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

/// With commas between them.
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
    fn knows_who_is_trusted_by_network_address_or_the_lack_of_one() {
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
}
