//! Clients of WAMP version 1 against the server of the library and the broker of the program.

use polysock::Site;
use polysock::apps::component::ws;
use polysock::apps::wamp::{
    Answer, Args, CallId, Dialect, Json, Wamp, WampClient, WampError, WampServer,
};
use polysock_test_support::gateway;
use polysock_test_support::peers::Peer;

use crate::POLYSOCK;

/// The clients, and the protocol of each.
const CLIENTS: [(&str, &str); 4] = [
    ("autobahn-0.5.14", "hybi-10"),
    ("autobahn-0.8.15", "rfc6455"),
    ("autobahnjs", "rfc6455"),
    ("phantomjs", "hixie-76"),
];

/// The procedures that the clients call.
struct Calculator;

impl Wamp for Calculator {
    async fn on_call(
        &self,
        _: &WampClient,
        _: CallId<'_>,
        procedure: &str,
        args: Args<'_>,
    ) -> Result<Answer, WampError> {
        match procedure.rsplit('#').next() {
            Some("add") => {
                let (a, b): (f64, f64) = args.read()?;
                Answer::of(&(a + b))
            }
            Some("echo") => Ok(args.get(0).ok_or(WampError::new("no argument"))?.into()),
            Some("args") => Answer::of(args.as_slice()),
            Some("fail") => Err(WampError::new("failed on purpose")
                .uri("http://example.com/error#fail")
                .details(Json::of(&[1, 2])?)),
            _ => Err(WampError::no_procedure(procedure)),
        }
    }
}

/// Runs all clients at the same time. Returns how many have passed.
fn talk(port: u16, dialect: &str) -> usize {
    let port = port.to_string();
    let peers = CLIENTS.map(|(client, _)| {
        let path = format!("/{client}");
        Peer::start(&["--wamp", client, "127.0.0.1", &port, &path, dialect])
    });
    peers.into_iter().filter_map(Peer::passes).count()
}

#[test]
fn clients_of_wamp_are_served_in_both_dialects() {
    for (name, dialect) in [
        ("autobahn", Dialect::Autobahn),
        ("ratchet", Dialect::Ratchet),
    ] {
        let server = WampServer::new(Calculator).dialect(dialect);
        let server = server.ported_from_ratchet(dialect == Dialect::Ratchet);
        let gateway = gateway::in_all_protocols(Site::new(ws(server)));
        talk(gateway::serve(gateway).port(), name);
    }
}

#[test]
fn clients_of_wamp_have_a_broker_without_code() {
    let mut server = POLYSOCK.serve(&["--app", "wamp", "--protocols", "all"]);
    let passed = talk(server.address.port(), "broker");
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
    if passed == CLIENTS.len() {
        for (client, protocol) in CLIENTS {
            let path = format!("/{client}");
            let is_told = |line: &str| {
                let parts = [" open ", &format!("protocol=\"{protocol}\""), &path];
                parts.iter().all(|part| line.contains(part))
            };
            assert!(log.lines().any(is_told), "{client} {protocol}:\n{log}");
        }
    }
}
