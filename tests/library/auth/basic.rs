//! Password authentication.

use polysock::auth::{Basic, Passwords};
use polysock_test_support::http2;
use polysock_test_support::opening::{RFC6455, field};

use super::{GET, ask, basic, file, guarded};

/// A password file with a cheap bcrypt, a SHA-crypt and an argon2id hash, each of `open sesame`.
pub(super) const USERS: &str = "\
ann:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW
# staff
bob:$6$rounds=1000$saltsalt$/IiX/CoEcxCZ9SksEXnbjfCT1LGvD4z5OpJkaFYl/T37OAwuKZ8I8BixDhruhPLkw6lS7dw/6wQWgQnGo7lLg/
cat:$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$ixpwwKn9ahZABsFdSCp89Bjv1gR+y5qCxswm94TuOzs
";

fn policy(name: &str) -> Basic {
    let passwords = Passwords::read(file(name, USERS)).unwrap();
    Basic::new(passwords, "the \"meters\"".parse().unwrap())
}

#[test]
fn a_password_admits_websockets_and_requests() {
    let address = guarded(policy("in"));
    // `ann` twice: a verified password is cached, and only for its own user.
    for user in ["ann", "bob", "cat", "ann"] {
        let fields = basic(user, "open sesame");
        let (status, _, text) = ask(address, RFC6455, &fields);
        assert_eq!((status, &*text), (101, &*format!("{user} - - []")));
        let (status, _, text) = ask(address, GET, &fields);
        assert_eq!((status, &*text), (200, &*format!("{user} - -")));
        let other = basic(user, "open sesamE");
        assert_eq!(ask(address, RFC6455, &other).0, 401);
    }
}

#[test]
fn a_client_without_a_valid_password_gets_401() {
    let address = guarded(policy("out"));
    let long = format!("Authorization: Basic {}\r\n", "A".repeat(6000));
    for fields in [
        "",
        &basic("ann", ""),
        &basic("dora", "open sesame"),
        &basic("", ""),
        "Authorization: Basic\r\n",
        "Authorization: Basic not base64!\r\n",
        "Authorization: Basic YW5u\r\n",
        "Authorization: Bearer YW5uOm9wZW4gc2VzYW1l\r\n",
        &long,
    ] {
        for request in [RFC6455, GET] {
            let (status, head, text) = ask(address, request, fields);
            assert_eq!(status, 401, "{fields}");
            let challenge = field(&head, "www-authenticate").unwrap();
            let expected = r#"Basic realm="the \"meters\"", charset="UTF-8""#;
            assert_eq!(challenge, expected);
            assert!(!text.contains("sesame"), "{text}");
        }
    }
    let twice = basic("ann", "open sesame").repeat(2);
    assert_eq!(ask(address, RFC6455, &twice).0, 400);
    assert_eq!(ask(address, GET, &twice).0, 400);
}

#[test]
fn streams_of_http2_need_a_password_as_well() {
    let address = guarded(policy("http2"));
    http2::run(async move {
        let mut peer = http2::Peer::connect(address).await;
        let version = ("sec-websocket-version", "13");
        let (status, fields, _) = peer.refused_at("websocket", "/", &[version]).await;
        assert_eq!(status, 401);
        assert!(fields.contains_key("www-authenticate"));
        assert_eq!(peer.ask("GET", "/").await.0.status(), 401);
        let right = basic("ann", "open sesame");
        let right = right.trim_end().split_once(": ").unwrap().1;
        let (mut socket, _) = peer.websocket_with(&[("authorization", right)]).await;
        socket.expect([0x81, 10]).await;
        socket.expect("ann - - []").await;
    });
}

#[test]
fn an_invalid_password_file_is_an_error() {
    let path = file("bad", "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
    let error = Passwords::read(&path).unwrap_err();
    assert_eq!(error.path, path);
    assert_eq!(
        error.problem,
        "line 1: SHA-1 can be brute-forced quickly: create a new hash with `htpasswd -B`"
    );
}
