//! Versions that are ambiguous, unknown or not enabled.

use polysock_test_support::client::Client;
use polysock_test_support::opening::{
    HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, assert_status, field, versioned, with,
};
use polysock_test_support::server::Server;

use super::{assert_hixie_76, assert_hixie_echo, hixie, server};
use crate::POLYSOCK;

/// gevent-websocket 0.3: sends the eight bytes only after our 101, and then `00 … FF`.
fn gevent(server: &Server) -> Client {
    let request = with(HIXIE_76, "Sec-WebSocket-Draft: 2\r\n");
    let (mut client, head) = server.ask(request);
    assert_hixie_76(&head);
    client.send(HIXIE_76_BODY);
    client.expect(HIXIE_76_DIGEST);
    client
}

#[test]
fn serves_gevent_websocket_0_3_also_where_hybi_02_is_enabled() {
    let mut server = server();
    let mut client = gevent(&server);
    assert!(server.log_line("open").contains("hybi-02"));
    assert_hixie_echo(&mut client, "Hello");
    client.send(b"\xff\0");
    assert_eq!(client.rest(), b"\xff\0");
}

#[test]
fn serves_gevent_websocket_0_3_with_the_default_protocols() {
    let mut server = POLYSOCK.serve(&["--app", "echo"]);
    let mut client = gevent(&server);
    assert!(server.log_line("open").contains("hixie-76"));
    assert_hixie_echo(&mut client, "Hello");
    client.send(b"\xff\0");
    assert_eq!(client.rest(), b"\xff\0");
}

#[test]
fn speaks_first_to_gevent_websocket_0_3_in_the_old_framing() {
    let server = POLYSOCK.serve(&["--app", "chat", "--protocols", "all"]);
    let request = with(HIXIE_76, "Sec-WebSocket-Draft: 2\r\n").replace("/demo", "/?name=gevent");
    let (mut client, head) = server.ask(request);
    assert_hixie_76(&head);
    client.send(HIXIE_76_BODY);
    client.expect(HIXIE_76_DIGEST);
    client.expect(hixie("welcome\tgevent\thybi-02"));
}

#[test]
fn serves_the_mtgox_client_which_announces_draft_2_and_the_eight_bytes() {
    for protocols in ["default", "all"] {
        let server = POLYSOCK.serve(&["--app", "echo", "--protocols", protocols]);
        let fields = "Sec-WebSocket-Draft: 2\r\nContent-Length: 8\r\n";
        let request = with(HIXIE_76, fields).replace("http://example.com", "websocket.mtgox.com");
        let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
        assert_hixie_76(&head);
        let origin = field(&head, "Sec-WebSocket-Origin");
        assert_eq!(origin, Some("websocket.mtgox.com"));
        client.expect(HIXIE_76_DIGEST);
        assert_hixie_echo(&mut client, "Hello");
    }
}

#[test]
fn lists_the_versions_to_a_client_of_an_unknown_version() {
    for (protocols, list) in [
        ("default", "13, 8, 7"),
        ("all", "13, 8, 7, 6, 5, 4"),
        ("rfc6455", "13"),
    ] {
        let server = POLYSOCK.serve(&["--app", "echo", "--protocols", protocols]);
        for version in ["9", "12", "14", "777"] {
            let (mut client, head) = server.ask(versioned(version, ""));
            assert_status(&head, 426);
            assert_eq!(field(&head, "Sec-WebSocket-Version"), Some(list));
            assert_eq!(field(&head, "Upgrade"), Some("websocket"));
            assert_eq!(field(&head, "Connection"), Some("Upgrade, close"));
            let length: usize = field(&head, "Content-Length").unwrap().parse().unwrap();
            assert_eq!(client.rest().len(), length);
        }
    }
}

#[test]
fn sends_an_opera_11_back_where_its_protocol_is_not_enabled() {
    let server = POLYSOCK.serve(&["--app", "echo", "--protocols", "modern"]);
    let (mut client, head) = server.ask([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat());
    assert_status(&head, 400);
    let body = String::from_utf8(client.rest()).unwrap();
    assert!(body.contains("hixie-76 is not enabled"), "{body}");
}
