//! Web servers over TLS.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use polysock::apps::{Proxy, Relay, echo};
use polysock::upstream::{HttpUpstream, UpstreamSettings};
use polysock::{Gateway, PortSettings, Site};
use polysock_test_support::authority::Authority;
use polysock_test_support::client::Client;
use polysock_test_support::gateway::serve;
use polysock_test_support::opening::{RFC6455, assert_status, field};
use polysock_test_support::tls_server::TlsServer;

use super::{settings, trusting};

pub(super) const GET: &str = "GET /a HTTP/1.1\r\nHost: page.example\r\n\r\n";

/// Starts a proxy in front of this server.
pub(super) fn proxy(url: &str, settings: UpstreamSettings) -> SocketAddr {
    let server = HttpUpstream::parse(url, settings).unwrap();
    let relay = Relay::new(std::sync::Arc::new(server.clone()));
    let site = Site::new(relay).with_http(Proxy::new(server));
    serve(Gateway::with_site(site, PortSettings::default()))
}

/// Starts a web server that answers with the `Host` and the scheme that it receives.
pub(super) fn tells() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut connection = Client::over(stream.unwrap());
                loop {
                    let head = connection.head();
                    let told = ["Host", "X-Forwarded-Proto"]
                        .map(|name| field(&head, name).unwrap_or_default());
                    let body = told.join(" ");
                    let len = body.len();
                    connection.send(format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{body}"
                    ));
                }
            });
        }
    });
    address
}

/// Sends a request on a connection, and returns the body of the answer.
pub(super) fn ask(client: &mut Client) -> String {
    client.send(GET);
    let head = client.head();
    assert_status(&head, 200);
    let len = field(&head, "Content-Length").unwrap().parse().unwrap();
    String::from_utf8(client.take(len)).unwrap()
}

#[test]
fn requests_are_sent_over_kept_tls_connections() {
    let authority = Authority::new();
    let server = TlsServer::new(&authority.issue(&["localhost"])).with_alpn(&["http/1.1"]);
    let server = server.before(tells());
    let host = server.host();
    let gateway = proxy(&format!("https://{host}"), settings(&trusting(&authority)));
    let mut client = Client::connect(gateway);
    for _ in 0..3 {
        // The scheme is the client's, and not that of the upstream connection.
        assert_eq!(ask(&mut client), format!("{host} http"));
    }
    let met = server.met();
    assert_eq!(met.len(), 1);
    assert_eq!(met[0].alpn.as_deref(), Some("http/1.1"));
}

#[test]
fn websockets_of_a_web_server_are_relayed_over_tls() {
    let authority = Authority::new();
    let behind = serve(Gateway::new(echo));
    let server = TlsServer::new(&authority.issue(&["localhost"])).before(behind);
    let url = format!("https://{}", server.host());
    let mut client = Client::connect(proxy(&url, settings(&trusting(&authority))));
    client.send(RFC6455);
    assert_status(&client.head(), 101);
    assert_eq!(server.met().len(), 1);
}

#[test]
fn a_client_receives_no_details_of_a_certificate_error() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = TlsServer::new(&other.issue(&["localhost"])).before(tells());
    let url = format!("https://{}", server.host());
    let gateway = proxy(&url, settings(&trusting(&ours)));
    for request in [GET, RFC6455] {
        let mut client = Client::connect(gateway);
        client.send(request);
        assert_status(&client.head(), 502);
        let body = "the upstream cannot be reached";
        client.expect(body);
    }
}

#[test]
fn a_body_without_a_close_notify_breaks_off() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    for is_cut in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut connection = Client::over(listener.accept().unwrap().0);
            connection.head();
            connection.send(head);
            connection.send("abc");
            connection.finish();
            connection.gone();
        });
        let server = TlsServer::new(&identity);
        let server = match is_cut {
            true => server.cut_after(head.len() + 3),
            false => server,
        };
        let server = server.before(address);
        let url = format!("https://{}", server.host());
        let mut client = Client::connect(proxy(&url, settings(&trusting(&authority))));
        client.send(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        let head = client.head();
        assert_status(&head, 200);
        assert_eq!(field(&head, "Transfer-Encoding"), Some("chunked"));
        let rest = String::from_utf8(client.rest()).unwrap();
        assert_eq!(rest.ends_with("0\r\n\r\n"), !is_cut, "{rest:?}");
    }
}
