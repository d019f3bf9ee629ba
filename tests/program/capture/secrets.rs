//! Masking of secrets, unless `--keep-secrets` is given.

use polysock_test_support::frame::close;
use polysock_test_support::opening::{RFC6455, with};

use super::{Capture, note};

#[test]
fn secrets_are_masked_unless_they_are_to_be_kept() {
    let request = with(
        &RFC6455.replace("/chat", "/chat?token=s3cr3t-s3cr3t&room=7"),
        "Cookie: id=c00kie-c00kie\r\nAuthorization: Bearer b3arer-b3arer\r\n",
    );
    for (name, flags, are_kept) in [
        ("masked", &[][..], false),
        ("kept", &["--keep-secrets"], true),
    ] {
        let mut capture = Capture::start(name, flags);
        let (mut client, _) = capture.server.ask(&request);
        client.send(close(1000));
        client.rest();
        drop(client);
        capture.stop();
        let text = capture.only().to_string();
        for secret in ["s3cr3t-s3cr3t", "c00kie-c00kie", "b3arer-b3arer"] {
            assert_eq!(text.contains(secret), are_kept, "{text}");
        }
        assert!(text.contains("room=7"), "{text}");
        assert_eq!(note(&capture.only()).contains("stand-ins"), !are_kept);
        capture.replays();
    }
}

#[test]
fn bearer_tokens_of_every_place_are_masked() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl";
    let request = with(
        &RFC6455.replace(
            "/chat",
            &format!("http://me:s3cr3t@example.com/chat/{jwt}/7"),
        ),
        "Sec-WebSocket-Protocol: v4.channel.k8s.io, \
         base64url.bearer.authorization.k8s.io.U2VjcmV0U2VjcmV0\r\n\
         Apikey: s3cr3t\r\nX-Amzn-Oidc-Data: s3cr3t\r\nCf-Access-Jwt-Assertion: s3cr3t\r\n",
    );
    let mut capture = Capture::start("bearer", &[]);
    let (mut client, head) = capture.server.ask(&request);
    assert!(head.contains("v4.channel.k8s.io"), "{head}");
    client.send(close(1000));
    client.rest();
    drop(client);
    capture.stop();
    let text = capture.only().to_string();
    for secret in [jwt, "s3cr3t", "U2VjcmV0"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for kept in [
        "/7",
        "v4.channel.k8s.io",
        "base64url.bearer.authorization.x",
    ] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    let fixture = capture.only();
    let note = note(&fixture);
    assert!(
        note.contains("credentials and tokens are replaced"),
        "{note}"
    );
    capture.replays();
}

#[test]
fn secrets_of_refused_and_other_requests_are_masked_too() {
    let request = with(
        &RFC6455.replace("/chat", "/chat?token=s3cr3t-s3cr3t"),
        "Cookie: id=c00kie-c00kie\r\n",
    );
    let plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut capture = Capture::start("masked-refusals", &["--handshake-timeout", "300ms"]);
    for bytes in [
        request.replace("Host:", "Host :"),
        request.replace("GET ", "POST "),
        request.replace("Upgrade: websocket", "Upgrade: x"),
        request.replace("HTTP/1.1", "HTTP/9"),
        request.trim_end().to_owned(),
        request.replace("\r\n", "\n"),
        format!(
            "{plain}{}",
            request.replace("ebsocket", "x").replace("WebSocket", "x")
        ),
    ] {
        let mut client = capture.server.connect();
        client.send(bytes);
        client.read_once();
        client.finish();
        client.gone();
    }
    capture.stop();
    assert_eq!(capture.names().len(), 7);
    for fixture in capture.fixtures() {
        let text = fixture.transcript.to_string();
        assert!(text.contains("token=xxxxxxxxxxxxx"), "{text}");
        assert!(text.contains("id=xxxxxxxxxxxxx"), "{text}");
    }
    capture.replays();
}
