//! The log, checked against the same table as the wire.

use polysock::Side;
use polysock::protocols::{PROTOCOLS, Role};
use polysock_test_support::closing::assert_all;
use polysock_test_support::closing::peer::Guest;
use polysock_test_support::closing::table::{Expected, Ours, ROWS, Row, Told};
use polysock_test_support::wire_peer::WirePeer;

use crate::POLYSOCK;

#[test]
fn the_log_and_the_application_get_the_same_close() {
    assert_all(&ROWS, Row::name, |row| {
        let arguments: &[&str] = match row.ours {
            Ours::Listens => &[],
            Ours::ListensImpatiently => &["--idle-timeout", "500ms"],
            _ => return Vec::new(),
        };
        let mut server = POLYSOCK.echo(arguments);
        let mut differences = Vec::new();
        for protocol in PROTOCOLS {
            let name = protocol.name();
            let guest = Guest {
                peer: WirePeer::dial(*protocol, server.address),
                protocol: name,
                role: Role::Client,
            };
            let _met = guest.meet(row.theirs, || {});
            let line = server.log_line(" close ");
            // Another error is appended after ` error=`.
            let line = line.split(" error=").next().unwrap_or(&line);
            let Expected::Of(told) = row.told else {
                panic!("who listens is told");
            };
            let expected = logged(&told(name));
            if !line.ends_with(&expected) {
                differences.push(format!("{name}: {line}\n  not {expected}\n"));
            }
        }
        differences
    });
}

/// Returns the expected end of the log line.
fn logged(told: &Told) -> String {
    // RFC 6455 §7.1.5.
    let code = match &told.close {
        Some((code, _)) => *code,
        None if told.clean => 1005,
        None => 1006,
    };
    let reason = told.close.as_ref().map(|(_, reason)| reason);
    let reason = reason.map_or_else(String::new, |reason| format!(" reason={reason:?}"));
    let by = match told.by {
        Side::Local => "server",
        Side::Peer => "client",
    };
    format!(" code={code}{reason} by={by:?} clean={}", told.clean)
}
