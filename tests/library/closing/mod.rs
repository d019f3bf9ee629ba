//! The ends of connections in both roles, as listed in `closing::table` of the test support.

mod hanging_up;
mod ours;

use std::net::TcpListener;

use polysock::protocols::{PROTOCOLS, Protocol, Role};
use polysock_test_support::closing::assert_all;
use polysock_test_support::closing::peer::{Guest, Met};
use polysock_test_support::closing::table::{ROWS, Row};
use polysock_test_support::wire_peer::WirePeer;

use self::ours::{Actor, client, gateway};

#[test]
fn each_end_of_a_server_is_reported_to_its_peer_and_its_application() {
    assert_all(&ROWS, Row::name, |row| {
        let (address, actor) = gateway(row);
        let differences = |protocol: &&'static dyn Protocol| {
            let guest = Guest {
                peer: WirePeer::dial(*protocol, address),
                protocol: protocol.name(),
                role: Role::Client,
            };
            meet(row, guest, &actor)
        };
        PROTOCOLS.iter().flat_map(differences).collect()
    });
}

#[test]
fn each_end_of_a_client_is_reported_to_its_peer_and_its_application() {
    assert_all(&ROWS, Row::name, |row| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let differences = |protocol: &&'static dyn Protocol| {
            let actor = client(row, protocol.name(), address);
            let (stream, _) = listener.accept().unwrap();
            let guest = Guest {
                peer: WirePeer::accept(*protocol, stream),
                protocol: protocol.name(),
                role: Role::Server,
            };
            meet(row, guest, &actor)
        };
        PROTOCOLS.iter().flat_map(differences).collect()
    });
}

/// Lists the differences between the outcome of a meeting and the row.
fn meet(row: &Row, guest: Guest, actor: &Actor) -> Vec<String> {
    let (protocol, role) = (guest.protocol, guest.role);
    let met = guest.meet(row.theirs, || actor.cue());
    let Met { wire, .. } = &met;
    let us = match role {
        Role::Client => "server",
        Role::Server => "client",
    };
    row.differences(us, protocol, wire, &actor.told())
}
