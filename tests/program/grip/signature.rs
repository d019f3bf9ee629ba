//! The signature by which an origin recognises its gateway.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use polysock_test_support::frame::frame;
use polysock_test_support::grip::{Answer, Event, Origin};
use polysock_test_support::opening::{RFC6455, with};
use polysock_test_support::program::Input;
use serde_json::Value;

use super::Gateway;
use crate::POLYSOCK;
use crate::configured::serve;

pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Verifies a signature with this key, and returns its claims.
#[track_caller]
pub(super) fn claims(signature: &str, key: &[u8]) -> Value {
    let header = decode_header(signature).unwrap();
    assert_eq!(header.alg, Algorithm::HS256);
    let key = DecodingKey::from_secret(key).unwrap();
    let validation = Validation::new(Algorithm::HS256);
    let token = decode::<Value>(signature, &key, &validation);
    token
        .unwrap_or_else(|error| panic!("{signature}: {error}"))
        .claims
}

#[test]
fn each_request_is_signed_with_the_key() {
    let binary = b"\0\xff\x80 a key that is no text, of 32 or more bytes";
    let base64 = format!("base64:{}", STANDARD.encode(binary));
    for (option, key) in [(KEY, KEY.as_bytes()), (&*base64, binary)] {
        let mut gateway = Gateway::new(&["--grip-key", option]);
        let forged = with(RFC6455, "Grip-Sig: forged\r\n");
        let (mut client, open) = gateway.asks(forged);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let signed = claims(open.field("Grip-Sig").unwrap(), key);
        assert_eq!(signed["iss"], "polysock");
        let left = signed["exp"].as_u64().unwrap().abs_diff(now.as_secs());
        assert!((3000..=3700).contains(&left), "{signed}");
        open.answer(Answer::accept(&[]));
        client.head();
        client.send(frame(0x81, "x"));
        let post = gateway.origin.post();
        claims(post.field("Grip-Sig").unwrap(), key);
        post.answer(Answer::events(&[]));
        drop(client);
        let post = gateway.origin.post();
        assert_eq!(post.events(), [Event::bare("DISCONNECT")]);
        claims(post.field("Grip-Sig").unwrap(), key);
        post.answer(Answer::events(&[]));
        let log = gateway.server.stop();
        assert!(!log.contains(option) && !log.contains("eyJ"), "{log}");
    }
}

#[test]
fn the_key_and_the_issuer_are_read_from_the_configuration() {
    let origin = Origin::new();
    let routes = format!(
        "[publish]\nlisten = \"127.0.0.1:0\"\nkey = \"{KEY}\"\nissuer = \"our gateway\"\n\
         [[route]]\npath = \"/app\"\ntarget = \"{}\"\n",
        origin.url()
    );
    let server = serve("grip-key", &routes, &[]);
    let mut client = server.connect();
    client.send(RFC6455.replace("/chat", "/app/x"));
    let post = origin.post();
    assert_eq!(post.line, "POST /app/x HTTP/1.1");
    let signed = claims(post.field("Grip-Sig").unwrap(), KEY.as_bytes());
    assert_eq!(signed["iss"], "our gateway");
}

#[test]
fn an_invalid_key_is_refused_at_startup() {
    for key in ["", "base64:", "base64:%"] {
        let arguments = [
            "serve",
            "http+grip://127.0.0.1:1",
            "--listen",
            "127.0.0.1:0",
        ];
        let arguments = [&arguments[..], &["--grip-key", key]].concat();
        let run = POLYSOCK.run(&arguments, Input::NOTHING);
        assert!(matches!(run.code, Some(1 | 2)), "{key:?}: {}", run.stderr);
        assert!(run.stderr.contains("key"), "{key:?}: {}", run.stderr);
    }
}
