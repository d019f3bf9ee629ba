//! A message that its sender did not finish is delivered to no receiver as a finished one.

use std::net::TcpListener;
use std::thread;

use polysock::protocols::{Event, Protocol, Role, find_protocol};
use polysock::{Close, CloseCode, Kind, Piece};
use polysock_test_support::closing::assert_all;
use polysock_test_support::server::Server;
use polysock_test_support::wire_peer::{Seen, WirePeer};

use crate::POLYSOCK;

/// The message limit for clients. The half that is sent is shorter.
const MAX_MESSAGE: &str = "16";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    HangsUp,
    Resets,
    SendsNoText,
    ClosesBetweenFragments,
    BreaksTheProtocol,
    SendsTooMuch,
    /// Last in the list, because it ends the server.
    GatewayStops,
}

const CAUSES: [Cause; 7] = [
    Cause::HangsUp,
    Cause::Resets,
    Cause::SendsNoText,
    Cause::ClosesBetweenFragments,
    Cause::BreaksTheProtocol,
    Cause::SendsTooMuch,
    Cause::GatewayStops,
];

impl Cause {
    fn happen(self, mut sender: WirePeer, gateway: &Server) -> Option<WirePeer> {
        match self {
            Self::HangsUp => sender.hang_up(),
            Self::Resets => {
                sender.reset();
                return None;
            }
            Self::SendsNoText => assert!(sender.send_text(b"\xc3(", false)),
            Self::ClosesBetweenFragments => {
                let bye = Close::new(CloseCode::new(4002).unwrap(), "bye");
                assert!(sender.send(Event::Close(Some(bye))));
            }
            // An undefined opcode.
            Self::BreaksTheProtocol => sender.send_bytes(b"\x8b\x80\0\0\0\0"),
            Self::SendsTooMuch => assert!(sender.send_text(b"and too much of it", false)),
            Self::GatewayStops => gateway.signal("TERM"),
        }
        Some(sender)
    }
}

/// Sends a whole text and half a text on one side of a relay, then triggers the cause. Returns the
/// events of the other side.
fn sees(
    (mut sender, mut receiver): (WirePeer, WirePeer),
    cause: Cause,
    gateway: &Server,
) -> Vec<Seen> {
    assert!(sender.send_text(b"whole", true));
    assert!(sender.send_text(b"ha", false) && sender.send_text(b"lf", false));
    let mut seen = vec![receiver.see(), receiver.see()];
    let _sender = cause.happen(sender, gateway);
    // The end of the half may arrive or be lost. It does not complete the message.
    while !matches!(seen.last(), Some(Seen::End | Seen::Reset)) {
        seen.push(receiver.see());
    }
    seen
}

/// Lists the events other than the one whole text and the end of the stream.
fn differences(name: &str, cause: Cause, seen: &[Seen]) -> Vec<String> {
    let text = |payload: &'static str, end| {
        Seen::Event(Event::Data(Piece {
            kind: Kind::Text,
            payload: payload.into(),
            end,
        }))
    };
    let expected = [text("whole", true), text("ha", false), Seen::End];
    if seen == expected {
        return Vec::new();
    }
    vec![format!("{name}, {cause:?}: {seen:?}\n")]
}

/// Returns a client and the upstream that the gateway dials for it.
fn pair(
    gateway: &Server,
    listener: &TcpListener,
    before: &dyn Protocol,
    behind: &'static dyn Protocol,
) -> (WirePeer, WirePeer) {
    thread::scope(|scope| {
        let upstream = scope.spawn(|| WirePeer::accept(behind, listener.accept().unwrap().0));
        let client = WirePeer::dial(before, gateway.address);
        (client, upstream.join().unwrap())
    })
}

/// Asserts this for protocols in which only `FF` ends a text.
fn assert_cut(by: Role, names: &[&str]) {
    assert_all(
        names,
        |name| format!("to {name}"),
        |name| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (before, behind) = match by {
                Role::Server => (*name, "rfc6455"),
                Role::Client => ("rfc6455", *name),
            };
            let scheme = behind.replace('-', "");
            let [before, behind] = [before, behind].map(|name| find_protocol(name).unwrap());
            let url = format!("ws+{scheme}://{}", listener.local_addr().unwrap());
            let gateway =
                POLYSOCK.serve(&["--protocols", "all", "--max-message", MAX_MESSAGE, &url]);
            let mut all = Vec::new();
            for cause in CAUSES {
                if cause == Cause::SendsTooMuch && by == Role::Server {
                    // A relay accepts messages of any length from its upstream.
                    continue;
                }
                let (client, upstream) = pair(&gateway, &listener, before, behind);
                let ends = match by {
                    Role::Server => (upstream, client),
                    Role::Client => (client, upstream),
                };
                let seen = sees(ends, cause, &gateway);
                all.extend(differences(name, cause, &seen));
            }
            all
        },
    );
}

#[test]
fn a_partial_message_of_an_upstream_never_reaches_a_client_as_whole() {
    // A server of hybi-02 that sends first uses the old framing.
    assert_cut(Role::Server, &["hixie-75", "hixie-76", "hybi-02"]);
}

#[test]
fn a_partial_message_of_a_client_never_reaches_an_upstream_as_whole() {
    assert_cut(Role::Client, &["hixie-75", "hixie-76"]);
}
