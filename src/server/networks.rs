//! The networks whose clients may connect.

use std::net::SocketAddr;

use ipnet::IpNet;

/// The networks whose clients may connect: the allowed ones, or all if none is named, except the
/// denied ones. IPv4-mapped IPv6 addresses are treated as IPv4. Clients without an address, as on a
/// Unix socket, may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// The allowed networks; empty for all.
    pub allow: Vec<IpNet>,
    /// The denied networks, even if they are allowed.
    pub deny: Vec<IpNet>,
}

impl Networks {
    /// True if a client with this address, or with none, may connect.
    #[inline]
    pub fn include(&self, address: Option<SocketAddr>) -> bool {
        if self.allow.is_empty() && self.deny.is_empty() {
            return true;
        }
        let Some(address) = address else {
            return true;
        };
        let address = address.ip().to_canonical();
        let is_in = |network: &IpNet| network.contains(&address);
        (self.allow.is_empty() || self.allow.iter().any(is_in)) && !self.deny.iter().any(is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_network_is_refused_although_it_is_allowed() {
        let networks = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        for (allow, deny, come, others) in [
            (&[][..], &[][..], &["10.0.0.1", "2001:db8::1"][..], &[][..]),
            (
                &[],
                &["10.0.0.0/8"],
                &["11.0.0.1", "::1"],
                &["10.1.2.3", "::ffff:10.1.2.3"],
            ),
            (
                &["10.0.0.0/8", "fd00::/8"],
                &[],
                &["10.0.0.1", "fd00::1"],
                &["11.0.0.1", "::1"],
            ),
            (
                &["10.0.0.0/8"],
                &["10.0.0.7/32"],
                &["10.0.0.8"],
                &["10.0.0.7", "192.0.2.1"],
            ),
        ] {
            let networks = Networks {
                allow: networks(allow),
                deny: networks(deny),
            };
            assert!(networks.include(None));
            let address = |text: &&str| Some(SocketAddr::new(text.parse().unwrap(), 1));
            assert!(
                come.iter().all(|come| networks.include(address(come))),
                "{networks:?}"
            );
            assert!(
                !others.iter().any(|other| networks.include(address(other))),
                "{networks:?}"
            );
        }
    }
}
