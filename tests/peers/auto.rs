//! Third-party servers whose protocol is not known beforehand.

use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::peers::serve;

use crate::POLYSOCK;

#[test]
fn the_protocol_of_a_server_is_detected() {
    for (server, protocol) in [
        ("autobahn-hixie-76", "hixie-76"),
        ("autobahn-hybi-10", "hybi-10"),
        ("autobahn-rfc6455", "rfc6455"),
        ("hixie-75", "hixie-75"),
        ("hixie-76", "hixie-76"),
        ("pywebsocket", "rfc6455"),
        ("websocket-driver", "rfc6455"),
        ("ws", "rfc6455"),
    ] {
        let Some(upstream) = serve(server) else {
            continue;
        };
        let url = format!("ws+auto://{}/", upstream.address);
        let mut gateway = POLYSOCK.serve(&[&url]);
        for text in ["hello", "and again"] {
            let mut client = gateway.websocket();
            client.send(frame(0x81, text));
            client.expect(unmasked(0x81, text));
        }
        let log = gateway.stop();
        let learned = log
            .lines()
            .filter(|line| line.contains("learned the upstream"));
        let learned: Vec<&str> = learned.collect();
        let expected = format!("\"{protocol}\"");
        assert!(
            matches!(&*learned, [line] if line.contains(&expected)),
            "{server}: {learned:?}"
        );
    }
}
