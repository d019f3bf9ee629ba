//! Forged and malformed tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use polysock::auth::{Bearer, TokenKeys};
use polysock_test_support::opening::{RFC6455, field};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::bearer::{SECRET, bearer, claims, seconds, secret, settings, signed, token};
use super::{GET, ask, file, guarded};

/// Builds a token from hand-made parts.
fn made(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn an_invalid_token_is_refused() {
    let keys = TokenKeys::secret(file("hostile", SECRET)).unwrap();
    let address = guarded(Bearer::new(keys, settings()));
    let other = secret(b"another secret of enough bytes!!");
    let mut cut = signed(&claims());
    cut.pop();
    let (head, _) = cut.rsplit_once('.').unwrap();
    let mut critical = Header::new(Algorithm::HS256);
    critical.crit = Some(vec!["exp".to_owned()]);
    let own = secret(SECRET.as_bytes());
    let too_strong = Header::new(Algorithm::HS512);
    for bad in [
        made(&json!({ "alg": "none" }), &claims(), b""),
        made(&json!({ "alg": "None", "typ": "JWT" }), &claims(), b""),
        made(&json!({ "alg": "HS256" }), &claims(), b""),
        made(&json!({}), &claims(), b"x"),
        made(&json!(7), &claims(), b"x"),
        format!("{head}."),
        head.to_owned(),
        cut.clone(),
        token(Algorithm::HS256, &other, &claims()),
        encode(&critical, &claims(), &own).unwrap(),
        encode(&too_strong, &claims(), &own).unwrap(),
        signed(&with("exp", json!(seconds(-600)))),
        signed(&with("exp", json!("never"))),
        signed(&with("exp", json!(-1))),
        signed(&without("exp")),
        signed(&with("nbf", json!(seconds(600)))),
        signed(&with("nbf", json!("x"))),
        signed(&with("aud", json!("others"))),
        signed(&with("aud", json!(["others"]))),
        signed(&with("aud", json!({ "meters": true }))),
        signed(&without("aud")),
        signed(&with("iss", json!("https://evil.example"))),
        signed(&without("iss")),
        signed(&json!("text")),
        String::new(),
        "...".to_owned(),
        "a.b.c".to_owned(),
        "\u{e4}.b.c".to_owned(),
        "x".repeat(7000),
        format!("{}.x.x", "e30".repeat(2000)),
    ] {
        for request in [RFC6455, GET] {
            let (status, head, text) = ask(address, request, &bearer(&bad));
            assert_eq!(status, 401, "{bad}");
            let challenge = field(&head, "www-authenticate").unwrap();
            let error = r#"Bearer realm="polysock", error="invalid_token""#;
            assert!(challenge.starts_with(error), "{challenge}");
            assert!(bad.is_empty() || !text.contains(&bad), "{text}");
        }
    }
    // RFC 6750 §3: a client without a token gets no error code.
    let (status, head, _) = ask(address, GET, "");
    assert_eq!(status, 401);
    assert_eq!(
        field(&head, "www-authenticate"),
        Some("Bearer realm=\"polysock\"")
    );
    let late = signed(&with("exp", json!(seconds(-600))));
    assert_eq!(
        ask(address, GET, &bearer(&late)).2,
        "the token has expired\n"
    );
    let twice = bearer(&signed(&claims())).repeat(2);
    assert_eq!(ask(address, GET, &twice).0, 400);
    assert_eq!(ask(address, GET, &bearer(&signed(&claims()))).0, 200);
}

#[test]
fn a_public_key_is_no_secret() {
    let pair = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let pem = pair.public_key_pem();
    let keys = TokenKeys::pem(file("confused.pem", &pem)).unwrap();
    let address = guarded(Bearer::new(keys, settings()));
    let right = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
    let right = token(Algorithm::RS256, &right, &claims());
    assert_eq!(ask(address, GET, &bearer(&right)).0, 200);
    for bytes in [
        pem.as_bytes(),
        pem.trim_end().as_bytes(),
        pair.public_key_raw(),
    ] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let forged = token(algorithm, &secret(bytes), &claims());
            assert_eq!(ask(address, GET, &bearer(&forged)).0, 401);
        }
    }
}

#[test]
fn files_without_keys_are_errors_with_advice() {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let no_pem = "it contains no public key in PEM form: -----BEGIN PUBLIC KEY-----, of RSA, P-256, P-384 or Ed25519";
    let told = |keys: Result<TokenKeys, polysock::auth::TokenKeysError>| {
        keys.unwrap_err()
            .to_string()
            .split_once("`: ")
            .unwrap()
            .1
            .to_owned()
    };
    for (text, expected) in [
        ("", no_pem),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            no_pem,
        ),
        (
            &*pair.serialize_pem(),
            "this is a private key: write the public key, the output of `openssl pkey -pubout`",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "this is a certificate: write its public key, the output of `openssl x509 -pubkey -noout`",
        ),
    ] {
        assert_eq!(told(TokenKeys::pem(file("none.pem", text))), expected);
    }
    assert_eq!(
        told(TokenKeys::secret(file("short", "secret\n"))),
        "the secret has 6 bytes, and HS256 needs at least 32 (RFC 7518 §3.2): `openssl rand -hex 32`"
    );
    assert_eq!(told(TokenKeys::secret(file("empty", "\n"))), "it is empty");
    let no_set = "it is not a JWK set: write { \"keys\": [ … ] }";
    let no_key = "it contains no key for HS, RS, PS, ES or EdDSA";
    for (text, expected) in [
        ("", no_set),
        ("{}", no_set),
        ("{\"keys\": 7}", no_set),
        ("{\"keys\": []}", no_key),
        (
            "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2hvcnQ\"}, 7]}",
            no_key,
        ),
        (
            "{\"keys\": [{\"kty\": \"RSA\", \"n\": \"AQAB\", \"e\": \"AQAB\"}]}",
            no_key,
        ),
    ] {
        assert_eq!(
            told(TokenKeys::jwks(file("none.json", text))),
            expected,
            "{text}"
        );
    }
}
