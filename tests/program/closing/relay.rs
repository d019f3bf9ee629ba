//! A relay forwards the end of one side to the other.

use std::net::TcpListener;
use std::thread;

use polysock::protocols::{Event, PROTOCOLS, Protocol, Role};
use polysock::{Close, CloseCode};
use polysock_test_support::closing::assert_all;
use polysock_test_support::closing::table::{Theirs, Wire, carried, closes, is_bare};
use polysock_test_support::wire_peer::{Seen, WirePeer};

use crate::POLYSOCK;

/// Returns the end that one side of a relay sees after the other has ended.
fn across(from: &str, ended: Theirs, to: &str, by: Role) -> Wire {
    let (code, reason) = match (ended, by) {
        // The end of the stream counts as a normal close.
        _ if is_bare(from) => (Some(1000), ""),
        (Theirs::Closes, _) => (carried(from, 4002), "bye"),
        // Ends without a code of their own: 1006 and 1015 are never on the wire.
        (_, Role::Client) => (Some(1001), ""),
        (_, Role::Server) => (Some(1014), ""),
    };
    let last = Seen::End;
    match code {
        Some(code) => closes(to, code, reason),
        None => {
            let close = (!is_bare(to)).then_some(None);
            Wire { close, last }
        }
    }
}

#[test]
fn a_relay_passes_the_end_of_one_side_to_the_other() {
    let name = |behind: &&'static dyn Protocol| format!("to {}", behind.name());
    assert_all(PROTOCOLS, name, |behind| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = behind.name().replace('-', "");
        let url = format!("ws+{scheme}://{address}");
        let gateway = POLYSOCK.serve(&["--protocols", "all", &url]);
        let mut differences = Vec::new();
        for before in PROTOCOLS {
            for (theirs, by) in [
                (Theirs::Closes, Role::Client),
                (Theirs::Closes, Role::Server),
                (Theirs::HangsUp, Role::Client),
                (Theirs::HangsUp, Role::Server),
            ] {
                let (client, upstream) = thread::scope(|scope| {
                    let accept = || WirePeer::accept(*behind, listener.accept().unwrap().0);
                    let upstream = scope.spawn(accept);
                    let client = WirePeer::dial(*before, gateway.address);
                    (client, upstream.join().unwrap())
                });
                let (mut ends, from, mut sees, to) = if by == Role::Client {
                    (client, before.name(), upstream, behind.name())
                } else {
                    (upstream, behind.name(), client, before.name())
                };
                end(theirs, &mut ends, from);
                let got = see_end(&mut sees);
                let expected = across(from, theirs, to, by);
                if got != expected {
                    differences.push(format!(
                        "{from} {theirs:?}, {to} sees:\n  {got:?}\n  not {expected:?}\n"
                    ));
                }
            }
        }
        differences
    });
}

/// Ends one side of a relay.
fn end(theirs: Theirs, peer: &mut WirePeer, name: &str) {
    if theirs == Theirs::HangsUp || is_bare(name) {
        return peer.hang_up();
    }
    let bye = Close::new(CloseCode::new(4002).unwrap(), "bye");
    assert!(peer.send(Event::Close(Some(bye))));
}

/// Returns the end that the other side sees. That side then closes its connection.
fn see_end(peer: &mut WirePeer) -> Wire {
    let mut seen = peer.see();
    let mut close = None;
    if let Seen::Event(Event::Close(frame)) = seen {
        close = Some(frame.map(|frame| (frame.code.get(), frame.reason.to_string())));
        peer.hang_up();
        seen = peer.see();
    }
    let last = seen;
    Wire { close, last }
}
