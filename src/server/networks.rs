//! The networks from which clients may come.

use std::net::SocketAddr;

use ipnet::IpNet;

/// The networks from which clients may come: those that are allowed, if any are named, but for those that
/// are denied. An address of IPv4 is one of IPv4, also where its socket takes both; who has no address, as on a
/// Unix socket, may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// Who may come; empty for all.
    pub allow: Vec<IpNet>,
    /// Who may not, in spite of that.
    pub deny: Vec<IpNet>,
}

impl Networks {
    /// Whether a client with this address, or none, may come.
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
    fn who_is_denied_does_not_come_whoever_is_allowed() {
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
