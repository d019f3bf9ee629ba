//! The list of protocols.

use crate::hixie::{Hixie75, Hixie76};
use crate::hybi::{HYBI01, HYBI02, HYBI03, HYBI04, HYBI05, HYBI06, HYBI07, HYBI10, Hybi};
use crate::protocol::Protocol;
use crate::rfc6455::RFC6455;

/// Every protocol, oldest first.
pub static PROTOCOLS: &[&dyn Protocol] = &[
    &Hixie75,
    &Hixie76,
    &Hybi(&HYBI01),
    &Hybi(&HYBI02),
    &Hybi(&HYBI03),
    &Hybi(&HYBI04),
    &Hybi(&HYBI05),
    &Hybi(&HYBI06),
    &Hybi(&HYBI07),
    &Hybi(&HYBI10),
    &Hybi(&RFC6455),
];

/// The protocols that a server enables by default: those of released browsers except hixie-75,
/// which proves nothing about its client.
pub static DEFAULT_PROTOCOLS: &[&dyn Protocol] =
    &[&Hixie76, &Hybi(&HYBI07), &Hybi(&HYBI10), &Hybi(&RFC6455)];

/// Returns the protocol with this name (such as `rfc6455`); `None` if there is none.
pub fn find_protocol(name: &str) -> Option<&'static dyn Protocol> {
    PROTOCOLS
        .iter()
        .find(|protocol| protocol.name() == name)
        .copied()
}
