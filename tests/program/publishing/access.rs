//! Authorisation of publishers, and the accepted requests.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::{RFC6455, assert_status, field};
use polysock_test_support::program::Input;
use serde_json::{Value, json};

use super::{Publisher, text};
use crate::POLYSOCK;
use crate::configured::serve;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Returns an `Authorization` field with a token signed by this key.
fn bearer(algorithm: Algorithm, claims: &Value, key: &[u8]) -> String {
    let key = EncodingKey::from_secret(key).unwrap();
    let token = encode(&Header::new(algorithm), claims, &key).unwrap();
    format!("Authorization: Bearer {token}\r\n")
}

/// Returns the Unix time this many seconds from now.
fn from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

#[test]
fn publishing_needs_a_token_if_a_key_is_set() {
    let key = ["--grip-key", KEY];
    let arguments = ["app:broadcast/t", "--publish", "127.0.0.1:0"];
    let mut server = POLYSOCK.serve(&[&arguments[..], &key].concat());
    let publisher = Publisher::of(&mut server);
    let hour = json!({"iss": "anybody", "exp": from_now(3600)});
    let right = |claims: &Value| bearer(Algorithm::HS256, claims, KEY.as_bytes());
    let item = json!({"items": [text("t", "x")]}).to_string();
    for (what, fields, status) in [
        ("none", String::new(), 401),
        ("nothing", "Authorization: Bearer \r\n".into(), 401),
        ("the key", format!("Authorization: Bearer {KEY}\r\n"), 401),
        ("a password", "Authorization: Basic YTpi\r\n".into(), 401),
        (
            "another key",
            bearer(Algorithm::HS256, &hour, &[b'x'; 32]),
            401,
        ),
        (
            "HS512",
            bearer(Algorithm::HS512, &hour, KEY.as_bytes()),
            401,
        ),
        ("over", right(&json!({"exp": from_now(-3600)})), 401),
        ("no end", right(&json!({"iss": "anybody"})), 401),
        // {"alg":"none"} and {"exp":4102444800}
        (
            "unsigned",
            "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.\r\n".into(),
            401,
        ),
        ("right", right(&hour), 200),
        (
            "without an issuer",
            right(&json!({"exp": from_now(60)})),
            200,
        ),
        (
            "in lower case",
            right(&hour).replace("Bearer", "bearer"),
            200,
        ),
    ] {
        for (path, body) in [("/publish/", &*item), ("/channels/t", "x")] {
            let told = publisher.ask("POST", path, &fields, body);
            assert_eq!(told.status, status, "{what} {path}: {told:?}");
            if status == 401 {
                let challenge = field(&told.head, "WWW-Authenticate").unwrap();
                assert!(challenge.starts_with("Bearer"), "{challenge}");
            }
        }
    }
    let log = server.stop();
    assert!(!log.contains(KEY) && !log.contains("eyJ"), "{log}");
}

#[test]
fn a_key_may_be_binary() {
    let arguments = ["app:broadcast/t", "--publish", "127.0.0.1:0"];
    let binary = [0xff; 32];
    let key = format!("base64:{}", STANDARD.encode(binary));
    let mut server = POLYSOCK.serve(&[&arguments[..], &["--grip-key", &key]].concat());
    let publisher = Publisher::of(&mut server);
    let hour = json!({"exp": from_now(3600)});
    let fields = bearer(Algorithm::HS256, &hour, &binary);
    assert_eq!(
        publisher.ask("POST", "/channels/t", &fields, "x").status,
        200
    );
}

#[test]
fn a_publish_listener_on_other_addresses_needs_a_key() {
    let arguments = ["serve", "app:broadcast/t", "--listen", "127.0.0.1:0"];
    for address in ["0.0.0.0:0", "[::]:0"] {
        let arguments = [&arguments[..], &["--publish", address]].concat();
        let run = POLYSOCK.run(&arguments, Input::NOTHING);
        assert_eq!(run.code, Some(1), "{address}: {}", run.stderr);
        assert!(run.stderr.contains("grip-key"), "{address}: {}", run.stderr);
    }
    let arguments = [
        &arguments[1..2],
        &["--publish", "0.0.0.0:0", "--grip-key", KEY],
    ]
    .concat();
    let mut server = POLYSOCK.serve(&arguments);
    server.log_line("publish listener on 0.0.0.0:");
}

#[test]
fn the_publish_listener_and_its_key_are_read_from_the_configuration() {
    let routes = format!(
        "[publish]\nlisten = \"127.0.0.1:0\"\nkey = \"{KEY}\"\n\
         [[route]]\npath = \"/news\"\ntarget = \"app:broadcast/news\"\n"
    );
    let mut server = serve("publish", &routes, &[]);
    let publisher = Publisher::of(&mut server);
    let mut client = server.connect();
    client.send(RFC6455.replace("/chat", "/news"));
    client.head();
    client.send(frame(0x81, "here"));
    client.expect(unmasked(0x81, "here"));
    assert_eq!(publisher.post("/channels/news", "x").status, 401);
    let fields = bearer(
        Algorithm::HS256,
        &json!({"exp": from_now(60)}),
        KEY.as_bytes(),
    );
    assert_eq!(
        publisher.ask("POST", "/channels/news", &fields, "y").status,
        200
    );
    client.expect(unmasked(0x81, "y"));
}

#[test]
fn only_a_post_publishes() {
    let mut server = POLYSOCK.serve(&["app:broadcast/t", "--publish", "127.0.0.1:0"]);
    let publisher = Publisher::of(&mut server);
    for path in ["/publish/", "/publish", "/channels/t"] {
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let told = publisher.ask(method, path, "", "");
            assert_eq!(told.status, 405, "{method} {path}: {told:?}");
            assert_eq!(field(&told.head, "Allow"), Some("POST"));
        }
    }
    assert_eq!(publisher.ask("GET", "/", "", "").status, 200);
    assert_eq!(publisher.ask("GET", "/elsewhere", "", "").status, 404);
}

#[test]
fn no_page_of_a_browser_publishes() {
    let mut server = POLYSOCK.serve(&["app:broadcast/t", "--publish", "127.0.0.1:0"]);
    let publisher = Publisher::of(&mut server);
    for origin in ["http://evil.example", "null", "http://127.0.0.1"] {
        for path in ["/publish/", "/channels/t"] {
            let fields = format!("Origin: {origin}\r\n");
            let told = publisher.ask("POST", path, &fields, r#"{"items":[]}"#);
            assert_eq!(told.status, 403, "{origin} {path}: {told:?}");
            assert!(!told.head.to_ascii_lowercase().contains("access-control"));
        }
    }
}

#[test]
fn the_length_of_a_publish_request_is_limited() {
    let mut server = POLYSOCK.serve(&["app:broadcast/t", "--publish", "127.0.0.1:0"]);
    let publisher = Publisher::of(&mut server);
    let mut client = server.websocket();
    client.send(frame(0x81, "here"));
    client.expect(unmasked(0x81, "here"));
    let longest = "x".repeat(1_000_000);
    assert_eq!(publisher.post("/channels/t", &longest).status, 200);
    client.expect(unmasked(0x81, &longest));
    // The server refuses by `Content-Length` without the body, and a chunked body before its end.
    let announced = "Content-Length: 1000001\r\n\r\n".to_owned();
    let chunk = format!("186a0\r\n{}\r\n", &longest[..100_000]);
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{}1\r\nx\r\n",
        chunk.repeat(10)
    );
    for rest in [announced, chunked] {
        let mut long = Client::connect(publisher.0);
        long.send(format!("POST /channels/t HTTP/1.1\r\nHost: a\r\n{rest}"));
        assert_status(&long.head(), 413);
    }
    publisher.publish(&[text("t", "next")]);
    client.expect(unmasked(0x81, "next"));
}
