//! What an address is counted as.

use std::net::{IpAddr, Ipv6Addr};

/// What an address is counted as: a subscriber has a /64 of IPv6 at least (RFC 6177), whose addresses
/// cost nothing. This machine, where a proxy may stand for everybody, is not counted.
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
