//! Plain text on a port for TLS.

use polysock::apps::echo;
use polysock::{Gateway, PortSettings, Site};
use polysock_test_support::client::Client;
use polysock_test_support::gateway::serve;
use polysock_test_support::http2::preface;
use polysock_test_support::opening::{RFC6455, assert_status};

use super::{echoes, opens, secure};

#[test]
fn requests_are_redirected_to_https_and_websockets_refused_with_the_reason() {
    let (_authority, port) = secure(|_| ());
    let address = serve(Gateway::with_site(Site::new(echo), port));
    for (request, status, location) in [
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            301,
            Some("https://a.test/"),
        ),
        (
            "GET /a//b?c=d HTTP/1.1\r\nHost: a.test:8443\r\n\r\n",
            301,
            Some("https://a.test:8443/a//b?c=d"),
        ),
        (
            "HEAD //evil.test HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n",
            301,
            Some("https://[::1]:8443//evil.test"),
        ),
        (
            "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx",
            308,
            Some("https://a.test/a"),
        ),
        (
            "GET http://b.test?q HTTP/1.1\r\nHost: a.test\r\n\r\n",
            301,
            Some("https://b.test/?q"),
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", 403, None),
        ("GET / HTTP/1.0\r\n\r\n", 403, None),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, None),
        (RFC6455, 403, None),
        (
            "GET /chat HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: a.test\r\nOrigin: http://a.test\r\n\r\n",
            403,
            None,
        ),
    ] {
        let mut client = Client::connect(address);
        client.send(request);
        let head = client.head();
        assert_status(&head, status);
        let found = head
            .lines()
            .find_map(|line| line.strip_prefix("Location: "));
        assert_eq!(found, location, "{request}");
        let body = String::from_utf8(client.rest()).unwrap();
        let is_told = body.starts_with("this port requires TLS");
        assert_eq!(
            is_told,
            !request.starts_with("HEAD") && status != 400,
            "{request}: {body}"
        );
    }
    let mut client = Client::connect(address);
    client.send(preface());
    client.gone();
}

#[test]
fn plain_text_is_accepted_next_to_tls_if_it_is_enabled() {
    let (authority, port) = secure(|_| ());
    let port = PortSettings {
        plain: true,
        ..port
    };
    let address = serve(Gateway::with_site(Site::new(echo), port));
    let mut client = Client::connect(address);
    client.send(RFC6455);
    assert_status(&client.head(), 101);
    let mut client = authority.client().connect(address, "a.test").unwrap();
    opens(&mut client);
    echoes(&mut client);
}

#[test]
fn a_port_behind_a_secure_proxy_accepts_plain_text() {
    let (_authority, port) = secure(|_| ());
    let port = PortSettings {
        secure: true,
        ..port
    };
    let address = serve(Gateway::with_site(Site::new(echo), port));
    let mut client = Client::connect(address);
    client.send(RFC6455);
    assert_status(&client.head(), 101);
}
