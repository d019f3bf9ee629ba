//! Input: the kind of compression (bits 5 and 6) with the protocol (the rest), then the steps of
//! the two sessions in the format of `Pair::run`.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use polysock_protocols::{PROTOCOLS, Role, Session, SessionConfig};
use polysock_protocols_fuzz::pair::Pair;
use polysock_protocols_fuzz::{compression, ends_with};

fuzz_target!(|input: &[u8]| {
    let [first, steps @ ..] = input else { return };
    let protocol = PROTOCOLS[usize::from(*first & 0x1f) % PROTOCOLS.len()];
    let (compression, withheld) = compression(*first);
    let (server, client) = ends_with(protocol, Role::Server, None, compression, withheld);
    let config = SessionConfig {
        idle_timeout: Some(Duration::from_secs(60)),
        ping_interval: Some(Duration::from_secs(20)),
        ..SessionConfig::default()
    };
    Pair::new(Session::new(server, config), Session::new(client, config)).run(steps);
});
