//! The grouping of addresses into networks.

use std::net::{IpAddr, Ipv6Addr};

/// Returns the network under which an address is counted. For IPv6 this is the /64: a subscriber
/// has a /64 at least (RFC 6177), whose addresses cost nothing. `None` for loopback addresses,
/// where a proxy may represent all clients.
pub(crate) fn network(address: IpAddr) -> Option<IpAddr> {
    let network = match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    };
    (!network.is_loopback()).then_some(network)
}
