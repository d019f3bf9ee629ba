//! Secrets are found in all usual places, and other text is left unchanged.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytestring::ByteString;
use polysock_protocols::http::{Head, HeadLimits};
use polysock_protocols::{Dial, Request, Secrets, find_protocol, hide_secrets};
use proptest::prelude::*;

/// A JSON Web Token.
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl-_Q";

/// Returns both heads of a session with replacements, and the kinds of secrets found.
fn masked(request: &str, answer: &str) -> (String, String, Vec<String>) {
    let mut secrets = Secrets::default();
    secrets.collect(request.as_bytes());
    secrets.collect(answer.as_bytes());
    let mask = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        secrets.replace(&mut bytes);
        String::from_utf8(bytes).unwrap()
    };
    let kinds = secrets.kinds().map(|kind| kind.name().to_owned()).collect();
    (mask(request), mask(answer), kinds)
}

/// Returns a text without its `{…}` marks, and the same with the marked parts replaced.
fn marked(text: &str) -> (String, String) {
    let mut expected = String::new();
    for (index, part) in text.split(['{', '}']).enumerate() {
        if index % 2 == 1 {
            expected.push_str(&"x".repeat(part.len()));
        } else {
            expected.push_str(part);
        }
    }
    (text.replace(['{', '}'], ""), expected)
}

fn assert_masked(text: &str) {
    let (plain, expected) = marked(text);
    assert_eq!(masked(&plain, "").0, expected);
}

#[test]
fn masks_credentials_cookies_and_tokens_and_keeps_every_length() {
    let (request, answer, kinds) = masked(
        "GET /chat?room=7&access_token=abc123def&k=v HTTP/1.1\r\nHost: a\r\n\
         Authorization: Bearer s3cr3t-s3cr3t\r\nCookie: a=1; theme=dark-mode\r\n\r\n",
        "HTTP/1.1 101 X\r\nSet-Cookie: id=fresh-secret; Path=/elsewhere\r\n\
         Sec-WebSocket-Location: ws://a/chat?room=7&access_token=abc123def&k=v\r\n\r\n",
    );
    assert_eq!(
        request,
        "GET /chat?room=7&access_token=xxxxxxxxx&k=v HTTP/1.1\r\nHost: a\r\n\
         Authorization: Bearer xxxxxxxxxxxxx\r\nCookie: a=x; theme=xxxxxxxxx\r\n\r\n"
    );
    assert_eq!(
        answer,
        "HTTP/1.1 101 X\r\nSet-Cookie: id=xxxxxxxxxxxx; Path=/elsewhere\r\n\
         Sec-WebSocket-Location: ws://a/chat?room=7&access_token=xxxxxxxxx&k=v\r\n\r\n"
    );
    assert_eq!(kinds, ["cookies", "credentials", "tokens"]);
}

#[test]
fn masks_subprotocols_that_are_tokens() {
    for list in [
        "v4.channel.k8s.io, base64url.bearer.authorization.{k8s.io.U2VjcmV0}",
        "base64url.bearer.authorization.{cryostat.dXNlcjpwYXNz},cryostat",
        "realtime, openai-insecure-api-key.{sk-Abc-123}, openai-beta.realtime-v1",
        "bearer-{s3cr3t}",
        "bearer.{s}",
        "Authorization.Bearer.{xyz}, graphql-transport-ws",
        "access_token, {s3cr3t}, chat",
        "chat, Bearer, {s3cr3t}",
        "Authorization, Bearer, {abc}",
        "session_id-{17}",
        "chat, {eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl-_Q}",
        "jwt.{eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl-_Q}",
        "graphql-ws, header-{eyJBdXRob3JpemF0aW9uIjoieCJ9}",
        "{0123456789abcdef0123456789abcdef}",
        "{9f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0}, chat",
        "{Zm9vYmFyMTIzNDU2Nzg5MA}",
    ] {
        for name in ["Sec-WebSocket-Protocol", "WebSocket-Protocol"] {
            assert_masked(&format!("GET / HTTP/1.1\r\n{name}: {list}\r\n\r\n"));
        }
    }
    assert_masked(
        "GET / HTTP/1.1\r\nSec-WebSocket-Protocol: access_token\r\n\
         Sec-WebSocket-Protocol: {s3cr3t}\r\n\r\n",
    );
}

#[test]
fn masks_a_token_where_the_server_repeats_it() {
    for (offered, chosen) in [
        ("bearer, abcd", "abcd"),
        (
            "base64url.bearer.authorization.abcdef",
            "base64url.bearer.authorization.abcdef",
        ),
        (JWT, JWT),
    ] {
        let request = format!("GET / HTTP/1.1\r\nSec-WebSocket-Protocol: {offered}\r\n\r\n");
        let answer = format!("HTTP/1.1 101 X\r\nSec-WebSocket-Protocol: {chosen}\r\n\r\n");
        let (_, answer, _) = masked(&request, &answer);
        assert!(answer.contains("xxxx\r\n"), "{answer}");
        assert!(!answer.contains("abcd"), "{answer}");
    }
}

#[test]
fn keeps_the_subprotocols_that_are_names() {
    let names = "chat, binary, base64, mqttv3.1, wamp.2.json, graphql-transport-ws, v4.channel.k8s.io, \
                 ocpp2.0.1, v12.stomp, actioncable-v1-msgpack, com.microsoft.minecraft.wsencrypt, \
                 openai-beta.realtime-v1, vscode-remote, auth.v1, soap, keyboard.1, xmpp-framing";
    let head = format!("GET / HTTP/1.1\r\nSec-WebSocket-Protocol: {names}\r\n\r\n");
    assert_eq!(masked(&head, ""), (head.clone(), String::new(), Vec::new()));
}

#[test]
fn masks_fields_with_names_of_secrets() {
    for name in [
        "Authorization",
        "Proxy-Authorization",
        "X-Api-Key",
        "X-Auth-Token",
        "X-CSRF-Token",
        "Apikey",
        "X-Amzn-Oidc-Data",
        "X-Amzn-Oidc-Accesstoken",
        "Cf-Access-Jwt-Assertion",
        "X-Goog-Iap-Jwt-Assertion",
        "X-Forwarded-Access-Token",
        "X-Auth-Request-User",
        "X-Session-Id",
        "PRIVATE-TOKEN",
        "Ocp-Apim-Subscription-Key",
    ] {
        assert_masked(&format!("GET / HTTP/1.1\r\n{name}: {{Secret}}\r\n\r\n"));
        assert_masked(&format!(
            "GET / HTTP/1.1\r\n{name}:Bearer  {{s3 cr3t}} \r\n\r\n"
        ));
    }
    // Recognised by the shape of the value.
    assert_masked(&format!("GET / HTTP/1.1\r\nDPoP: {{{JWT}}}\r\n\r\n"));
}

#[test]
fn masks_user_information_and_tokens_wherever_a_url_stands() {
    for head in [
        "GET http://{user:pass}@example.com/chat HTTP/1.1\r\n",
        "GET ws://{t0ken}@[::1]:80/a@b HTTP/1.1\r\n",
        "GET /chat/{eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl-_Q}/7 HTTP/1.1\r\n",
        "GET /chat;jsessionid={ABC};v=1/7?a=b HTTP/1.1\r\n",
        "GET /a?token={a/b?c;d}&room=7 HTTP/1.1\r\n",
        "GET /a?next=https%3A%2F%2Fb%2F%3Ftoken%3D{abc}%26room%3D7&c=d HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nReferer: https://{me:pw}@a/?sid={1}&b=2#access_token={c}\r\n",
        "GET / HTTP/1.1\r\nX-Original-URI: /a?api_key={b}\r\nX-Other: key={\"a b\"}; c=d\r\n",
        "HTTP/1.1 302 Found\r\nLocation: https://a/login?ticket={ST-1}\r\n",
    ] {
        assert_masked(head);
    }
}

#[test]
fn leaves_a_head_without_secrets_alone() {
    let request = "GET /?room=7&user=a@b.example HTTP/1.1\r\nHost: key.example:80\r\n\
         Origin: http://auth.example\r\nSec-WebSocket-Key1: 1 2\r\nSec-WebSocket-Key: dGhl\r\n\
         Accept-Encoding: gzip\r\nUser-Agent: A/1 (token; key)\r\nFrom: me@example.com\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15\r\n\r\n";
    let answer = "HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm=\"a\"\r\nAllow: GET\r\n\r\n";
    let same = (request.to_owned(), answer.to_owned(), Vec::new());
    assert_eq!(masked(request, answer), same);
    let short = "GET / HTTP/1.1\r\nHost: 10\r\nCookie: a=1; b=0\r\nAuthorization: 11\r\n\r\n";
    let masked_short = short.replace("a=1; b=0", "a=x; b=x").replace(" 11", " xx");
    assert_eq!(masked(short, "HTTP/1.1 101 1\r\n\r\n").0, masked_short);
}

#[test]
fn leaves_the_random_bytes_of_a_handshake_alone_whatever_they_look_like() {
    let request = "GET / HTTP/1.1\r\nSec-WebSocket-Key: IfrNcail0Bn5keYKScYAzA==\r\n\r\n";
    let answer = "HTTP/1.1 101 X\r\nSec-WebSocket-Accept: eyJhbGciOiJhuThSiGabcdkeY+A=\r\n\r\n";
    let same = (request.to_owned(), answer.to_owned(), Vec::new());
    assert_eq!(masked(request, answer), same);
    let hixie = "GET / HTTP/1.1\r\nSec-WebSocket-Key1: 4 key=@1  46546xW%0l 1 5\r\n\r\n";
    assert_eq!(masked(hixie, "").0, hixie);
}

#[test]
fn masks_heads_that_are_broken_or_do_not_end() {
    for head in [
        "GET /?token={ab} HTTP/1.1\r\nCookie: a={b}",
        "GET /?token={secret}",
        "GET / HTTP/1.1\nCOOKIE : a={secret}\n\n",
        "GET / HTTP/1.1\r\nCookie: a={first1};\r\n b={second}\r\nHo st: a\r\n\r\n",
        "POST /a b?key={secret} HTTP/1.1\r\n",
        "Authorization:{secret}\r\n",
        "GET / HTTP/1.1\r\n\r\nGET /?sid={secret} HTTP/1.1\r\nCookie: a={b}\r\n\r\n",
    ] {
        assert_masked(head);
    }
}

#[test]
fn hides_the_secrets_of_urls_and_targets() {
    for (url, shown) in [
        ("/chat?room=7", "/chat?room=7"),
        ("/chat?token=abc&room=7", "/chat?token=***&room=7"),
        ("ws://user:pass@host:80/a", "ws://***@host:80/a"),
        ("user:pass@host/a", "***@host/a"),
        ("ws://us/er:p?a#ss@host/", "ws://us/er:p?a#ss@host/"),
        ("ws://user:p?a/s#s@host/", "ws://***@host/"),
        ("ws://host:80/@me", "ws://host:80/@me"),
        ("ws://[::1]/@me", "ws://[::1]/@me"),
        ("ws://host", "ws://host"),
        ("ws://host?token=a&sid=b", "ws://host?token=***&sid=***"),
        ("ws://u:p@h/?auth=https://u:p@h/", "ws://***@h/?auth=***"),
        (
            "redis+unix:///a?db=1&pass=b",
            "redis+unix:///a?db=1&pass=***",
        ),
    ] {
        assert_eq!(hide_secrets(url), shown);
    }
    assert_eq!(hide_secrets(&format!("/a/{JWT}/b")), "/a/***/b");
}

#[test]
fn shows_no_secret_of_a_request_that_is_printed() {
    let text = "GET /a?token=s3cr3t HTTP/1.1\r\nHost: a\r\nOrigin: http://me:s3cr3t@a\r\n\
         Authorization: s3cr3t\r\n\r\n";
    let head = Head::parse(text.as_bytes(), text.len(), &HeadLimits::default()).unwrap();
    let protocol = find_protocol("rfc6455").unwrap();
    let mut request = Request::read(protocol, head, false).unwrap();
    request.subprotocols = vec!["chat".into(), "bearer".into(), "s3cr3t".into()];
    let dial = Dial {
        target: request.target.clone(),
        origin: request.origin.clone(),
        subprotocols: vec![ByteString::from_static("bearer.s3cr3t")],
        ..Dial::default()
    };
    for shown in [format!("{request:?}"), format!("{dial:?}")] {
        assert!(
            shown.contains("***") && !shown.contains("s3cr3t"),
            "{shown}"
        );
    }
}

proptest! {
    #[test]
    fn keeps_the_length_of_any_bytes_and_finds_nothing_twice(
        parts in prop::collection::vec(prop_oneof![
            any::<Vec<u8>>(),
            prop::sample::select(vec![
                "GET /", "\r\n", " HTTP/1.1", "?", "&token=", "%3D", "Cookie: a=", ";", ":", "://", "@", "\"",
                "Sec-WebSocket-Protocol: ", "bearer", ".", ",", "eyJhbGciOiJIUzI1NiJ9", "\n ", "Authorization:", "key",
            ]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..40),
    ) {
        let head = parts.concat();
        let mut secrets = Secrets::default();
        secrets.collect(&head);
        let mut once = head.clone();
        secrets.replace(&mut once);
        prop_assert_eq!(once.len(), head.len());
        let _ = hide_secrets(&String::from_utf8_lossy(&head));
    }
}
