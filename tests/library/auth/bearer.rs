//! Bearer tokens.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use polysock::auth::{Bearer, BearerSettings, TokenKeys};
use polysock_test_support::client::Client;
use polysock_test_support::opening::{HIXIE_76, RFC6455, assert_status, field, with};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::{GET, ask, file, guarded};

pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Returns the Unix time in seconds, plus `more`.
pub(super) fn seconds(more: i64) -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    i64::try_from(now).unwrap() + more
}

/// The claims of a valid token.
pub(super) fn claims() -> Value {
    json!({ "sub": "ann", "room": 7, "exp": seconds(600), "aud": ["meters", "x"], "iss": "https://id.example" })
}

pub(super) fn secret(bytes: &[u8]) -> EncodingKey {
    EncodingKey::from_secret(bytes).unwrap()
}

/// Signs a token with these claims.
pub(super) fn token(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = Some("one".to_owned());
    encode(&header, claims, key).unwrap()
}

pub(super) fn signed(claims: &Value) -> String {
    token(Algorithm::HS256, &secret(SECRET.as_bytes()), claims)
}

pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

pub(super) fn settings() -> BearerSettings {
    BearerSettings {
        audiences: vec!["meters".to_owned()],
        issuers: vec!["https://id.example".to_owned()],
        ..BearerSettings::default()
    }
}

/// A policy that accepts tokens signed with the shared secret, from these sources.
fn by_secret(name: &str, sources: &[&str]) -> Bearer {
    let keys = TokenKeys::secret(file(name, format!("{SECRET}\n"))).unwrap();
    let sources = sources.iter().map(|source| source.parse().unwrap());
    Bearer::new(
        keys,
        BearerSettings {
            sources: sources.collect(),
            ..settings()
        },
    )
}

/// A key pair of each kind, with its signing key and its algorithm.
fn pairs() -> Vec<(KeyPair, EncodingKey, Algorithm)> {
    type Read = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;
    let kinds: [(_, Read, _); 4] = [
        (
            &rcgen::PKCS_RSA_SHA256,
            EncodingKey::from_rsa_pem,
            Algorithm::RS256,
        ),
        (
            &rcgen::PKCS_ECDSA_P256_SHA256,
            EncodingKey::from_ec_pem,
            Algorithm::ES256,
        ),
        (
            &rcgen::PKCS_ECDSA_P384_SHA384,
            EncodingKey::from_ec_pem,
            Algorithm::ES384,
        ),
        (
            &rcgen::PKCS_ED25519,
            EncodingKey::from_ed_pem,
            Algorithm::EdDSA,
        ),
    ];
    let pairs = kinds.map(|(kind, read, algorithm)| {
        let pair = KeyPair::generate_for(kind).unwrap();
        let key = read(pair.serialize_pem().as_bytes()).unwrap();
        (pair, key, algorithm)
    });
    pairs.into()
}

#[test]
fn a_token_of_each_kind_of_key_is_accepted() {
    let pairs = pairs();
    let pem: String = pairs
        .iter()
        .map(|(pair, _, _)| pair.public_key_pem())
        .collect();
    let jwks: Vec<Value> = pairs
        .iter()
        .map(|(pair, key, algorithm)| match algorithm {
            Algorithm::EdDSA => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key_raw());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one" })
            }
            algorithm => {
                let mut jwk = Jwk::from_encoding_key(key, *algorithm).unwrap();
                jwk.common.key_id = Some("one".to_owned());
                serde_json::to_value(jwk).unwrap()
            }
        })
        .chain([
            json!({ "kty": "new" }),
            json!({ "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB" }),
        ])
        .collect();
    let set = json!({ "keys": jwks }).to_string();
    for keys in [
        TokenKeys::pem(file("keys.pem", pem)).unwrap(),
        TokenKeys::jwks(file("keys.json", set)).unwrap(),
    ] {
        let address = guarded(Bearer::new(keys, settings()));
        for (_, key, algorithm) in &pairs {
            let fields = bearer(&token(*algorithm, key, &claims()));
            let (status, _, text) = ask(address, RFC6455, &fields);
            assert_eq!((status, &*text), (101, "ann 7 - []"), "{algorithm:?}");
            let (status, _, text) = ask(address, GET, &fields);
            assert_eq!((status, &*text), (200, "ann 7 -"), "{algorithm:?}");
        }
    }
}

#[test]
fn a_token_is_found_in_a_cookie_a_parameter_and_a_subprotocol() {
    let sources = ["cookie:sid", "query:t", "subprotocol:bearer"];
    let address = guarded(by_secret("sources", &sources));
    let token = signed(&claims());
    let cookie = format!("Cookie: a=b; sid={token}; c=d\r\n");
    let query = format!("/demo?a=b&t={token}");
    let hixie = HIXIE_76.replace("/demo", &query);
    let modern = RFC6455.replace("/chat", &query);
    let get = GET.replace("/chat", &query);
    for (request, fields, status, expected) in [
        (HIXIE_76, &*cookie, 101, "ann 7 - []"),
        (RFC6455, &cookie, 101, "ann 7 - []"),
        (GET, &cookie, 200, "ann 7 -"),
        (&hixie, "", 101, "ann 7 - []"),
        (&modern, "", 101, "ann 7 - []"),
        (&get, "", 200, "ann 7 -"),
    ] {
        let (found, _, text) = ask(address, request, fields);
        assert_eq!((found, &*text), (status, expected), "{request}{fields}");
        assert_eq!(
            ask(address, request, &format!("{fields}Cookie: sid=x\r\n")).0,
            400
        );
    }
    // This policy does not read the `Authorization` field.
    for request in [HIXIE_76, RFC6455, GET] {
        assert_eq!(ask(address, request, &bearer(&token)).0, 401);
    }
}

#[test]
fn applications_do_not_see_subprotocols_that_carry_a_token() {
    let address = guarded(by_secret("subprotocols", &["subprotocol:bearer"]));
    let token = signed(&claims());
    for (offered, text, agreed) in [
        (format!("bearer, {token}"), "ann 7 - []", "bearer"),
        (
            format!("bearer, {token}, chat.v1"),
            "ann 7 - [chat.v1]",
            "chat.v1",
        ),
        (
            format!("chat.v1,bearer,{token}"),
            "ann 7 - [chat.v1]",
            "chat.v1",
        ),
    ] {
        let fields = format!("Sec-WebSocket-Protocol: {offered}\r\n");
        let (status, head, found) = ask(address, RFC6455, &fields);
        assert_eq!((status, &*found), (101, text));
        assert_eq!(field(&head, "sec-websocket-protocol"), Some(agreed));
    }
    for offered in ["bearer", "chat.v1, bearer", "bearer, x"] {
        let fields = format!("Sec-WebSocket-Protocol: {offered}\r\n");
        let (status, head, _) = ask(address, RFC6455, &fields);
        assert_eq!(status, 401, "{offered}");
        assert!(
            field(&head, "www-authenticate")
                .unwrap()
                .contains("invalid_token")
        );
    }
}

#[test]
fn a_connection_ends_with_its_token_if_configured() {
    let keys = TokenKeys::secret(file("ending", SECRET)).unwrap();
    let ending = BearerSettings {
        ends_connections: true,
        leeway: Duration::ZERO,
        ..settings()
    };
    let address = guarded(Bearer::new(keys, ending));
    let mut short = claims();
    short["exp"] = json!(seconds(2));
    let mut client = Client::connect(address);
    client.send(with(RFC6455, &bearer(&signed(&short))));
    assert_status(&client.head(), 101);
    client.expect([0x81, 10]);
    client.expect("ann 7 - []");
    // RFC 6455 §5.5.1: a close, with 1001.
    let header = client.take(2);
    assert_eq!(header[0], 0x88);
    assert_eq!(client.take(2), 1001_u16.to_be_bytes());
}
