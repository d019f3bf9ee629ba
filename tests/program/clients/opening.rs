//! Opening handshakes: the eight bytes, keys, and the spelling of fields. The answer to a faulty
//! client follows the specification.

use polysock_test_support::PATIENCE;
use polysock_test_support::opening::{
    HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, RFC6455, RFC6455_ACCEPT, assert_status, field,
    versioned, with,
};

use super::{assert_echo, assert_hixie_76, assert_hixie_echo, hixie_76, open, server};

#[test]
fn takes_the_eight_bytes_of_autobahn_which_announces_them() {
    let server = server();
    let request = with(HIXIE_76, "Content-Length: 8\r\n");
    let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn takes_the_eight_bytes_of_netty_which_announces_them_in_lower_case() {
    let server = server();
    let (head, rest) = HIXIE_76.split_once("\r\n").unwrap();
    let fields = rest.lines().map(|line| match line.split_once(':') {
        Some((name, value)) => format!("{}:{value}\r\n", name.to_ascii_lowercase()),
        None => "content-length: 8\r\n\r\n".to_owned(),
    });
    let request = format!("{head}\r\n{}", fields.collect::<String>());
    let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn takes_the_eight_bytes_of_perl_which_announces_them_in_the_head() {
    let server = server();
    let (mut client, head) = server.ask(with(HIXIE_76, "Content-Length: 8\r\n"));
    assert_hixie_76(&head);
    client.send(HIXIE_76_BODY);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn takes_the_eight_bytes_of_webkit_which_does_not_announce_them() {
    let server = server();
    let mut client = hixie_76(&server);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn answers_haproxy_before_it_lets_the_eight_bytes_through() {
    let server = server();
    let (mut client, head) = server.ask(HIXIE_76);
    assert_hixie_76(&head);
    client.send(HIXIE_76_BODY);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn answers_nginx_which_lets_the_eight_bytes_through_in_pieces() {
    let server = server();
    let (mut client, head) = server.ask([HIXIE_76.as_bytes(), &HIXIE_76_BODY[..3]].concat());
    assert_hixie_76(&head);
    client.send_bytewise(&HIXIE_76_BODY[3..]);
    client.expect(HIXIE_76_DIGEST);
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn answers_a_ruby_client_with_head_and_digest_in_one_read() {
    let server = server();
    let mut client = server.connect();
    client.send([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat());
    let answer = client.read_once();
    assert!(answer.ends_with(&[b"\r\n\r\n", HIXIE_76_DIGEST].concat()));
}

#[test]
fn accepts_the_fifteen_byte_keys_of_ws_0_4() {
    let server = server();
    let short = |version| {
        versioned(version, "").replace("dGhlIHNhbXBsZSBub25jZQ==", "AAECAwQFBgcICQoLDA0O")
    };
    let (mut client, head) = open(&server, short("8"));
    // The SHA-1 of the unchanged key and the GUID.
    let accept = field(&head, "Sec-WebSocket-Accept");
    assert_eq!(accept, Some("qC29wV0Fb8slfLA7Jy/RFjd174o="));
    assert_echo(&mut client, "Hello");
    let (mut refused, head) = server.ask(short("13"));
    assert_status(&head, 400);
    refused.gone();
}

#[test]
fn takes_the_upgrade_of_perl_in_versions_8_and_13() {
    let server = server();
    for version in ["8", "13"] {
        let request = versioned(version, "").replace("Upgrade: websocket", "Upgrade: WebSocket");
        let (mut client, head) = open(&server, request);
        assert_eq!(field(&head, "Upgrade"), Some("websocket"));
        assert_echo(&mut client, "Hello");
    }
}

#[test]
fn takes_the_lower_case_names_of_netty_in_version_13() {
    let server = server();
    let (line, fields) = RFC6455.split_once("\r\n").unwrap();
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let fields = fields
        .to_ascii_lowercase()
        .replace(&key.to_ascii_lowercase(), key);
    let (mut client, head) = open(&server, format!("{line}\r\n{fields}"));
    assert_eq!(field(&head, "Sec-WebSocket-Accept"), Some(RFC6455_ACCEPT));
    assert_echo(&mut client, "Hello");
}

#[test]
fn takes_the_shuffled_fields_and_the_draft_0_of_pywebsocket() {
    let server = server();
    let with_draft = with(HIXIE_76, "Sec-WebSocket-Draft: 0\r\n");
    let (line, fields) = with_draft.split_once("\r\n").unwrap();
    let mut fields: Vec<_> = fields.trim_end().split("\r\n").collect();
    for _ in 0..fields.len() {
        fields.rotate_left(1);
        let request = format!("{line}\r\n{}\r\n\r\n", fields.join("\r\n"));
        let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
        assert_hixie_76(&head);
        client.expect(HIXIE_76_DIGEST);
        assert_hixie_echo(&mut client, "Hello");
    }
}

#[test]
fn agrees_on_the_chat_that_websocket_client_0_5_1_always_offers() {
    let server = server();
    let offer = "Sec-WebSocket-Protocol: chat, superchat\r\n";
    let (mut client, head) = open(&server, versioned("13", offer));
    assert_eq!(field(&head, "Sec-WebSocket-Protocol"), Some("chat"));
    assert_echo(&mut client, "Hello");
}

#[test]
fn sends_the_ruby_gem_a_digest_with_the_white_space_it_would_strip() {
    let server = server();
    let (mut client, head) = server.ask([HIXIE_76.as_bytes(), b"00042600"].concat());
    assert_hixie_76(&head);
    client.expect(b"\x20\xa3\x83\x43\x2e\x76\x34\x3c\x9e\xf8\x89\x5b\x4e\xbc\x44\x0a");
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn takes_the_keys_of_websocket_client_0_3_as_unsigned() {
    let server = server();
    let request = HIXIE_76
        .replace("4 @1  46546xW%0l 1 5", "x4294967295 y")
        .replace("12998 5 Y3 1  .P00", "x4294967295 y");
    let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    client.expect(b"\xf3\xdc\x6e\x12\x11\x75\xd8\xb7\xa7\x42\x4b\xc8\x40\x6f\xeb\xc8");
    assert_hixie_echo(&mut client, "Hello");
}

#[test]
fn survives_the_keys_that_kill_websocket_driver_0_7_5() {
    let mut server = server();
    for key in [
        // Numbers that exceed 32 bits even after the division.
        "x99999999999 9",
        "x8589934592  y",
        "x18446744073709551616 y",
        "x9999999999999999999999999999999999999999 y",
    ] {
        let request = HIXIE_76.replace("4 @1  46546xW%0l 1 5", key);
        let (mut client, head) = server.ask([request.as_bytes(), HIXIE_76_BODY].concat());
        assert_status(&head, 400);
        client.gone();
    }
    assert_hixie_echo(&mut hixie_76(&server), "Hello");
    server.signal("TERM");
    let (code, log) = server.ends_within(PATIENCE);
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked"), "{log}");
}
