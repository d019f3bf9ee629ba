//! Sites in Django and in PHP, whose visitors are a client of hixie-76, a client of version 8 and a
//! current browser. A form that is sent to the site reaches all three, and held requests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use polysock_test_support::client::Client;
use polysock_test_support::opening::{assert_status, field};
use polysock_test_support::peers::{Peer, serve_with};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// The visitors of the room: peer, version and protocol.
const VISITORS: [(&str, &str, &str); 3] = [
    ("phantomjs", "1.9.8", "hixie-76"),
    ("ws", "0.4.32/hybi-10", "hybi-10"),
    ("chromium", "", "rfc6455"),
];

#[test]
fn a_form_that_is_sent_to_a_site_of_django_reaches_every_visitor() {
    a_form_reaches_every_visitor("django");
}

#[test]
fn a_form_that_is_sent_to_a_page_of_php_reaches_every_visitor() {
    a_form_reaches_every_visitor("php");
}

fn a_form_reaches_every_visitor(site: &str) {
    let publish_at = POLYSOCK.directory(&format!("push-{site}")).join("url");
    let variables = [("PUBLISH_AT", publish_at.as_os_str())];
    let Some(site) = serve_with(site, &variables as &[(&str, &OsStr)]) else {
        return;
    };
    let mut server = gateway(&site, &publish_at);
    let port = server.address.port().to_string();
    let mut visitors = Vec::new();
    for (peer, version, _) in VISITORS {
        let head = ["--listen", peer, "127.0.0.1", &port, "/room"];
        let mut visitor = Peer::start(&[&head[..], &["Gr\u{fc}\u{df}e", version]].concat());
        if !visitor.waits_for("heard\twelcome") {
            // The peer is not installed, or fails here.
            visitor.passes();
            return;
        }
        visitors.push(visitor);
    }
    send_form(&site, "text=Gr%C3%BC%C3%9Fe");
    for visitor in visitors {
        visitor.passes();
    }
    let log = server.stop();
    for (_, _, protocol) in VISITORS {
        let of_protocol = format!("protocol=\"{protocol}\"");
        let is_told = |line: &str| line.contains(" close ") && line.contains(&of_protocol);
        assert!(log.lines().any(is_told), "{protocol}:\n{log}");
    }
}

/// Django's middleware writes the fields that hold a request.
#[test]
fn a_form_that_is_sent_to_a_site_of_django_reaches_requests_that_it_holds() {
    let publish_at = POLYSOCK.directory("push-held").join("url");
    let variables = [("PUBLISH_AT", publish_at.as_os_str())];
    let Some(site) = serve_with("django", &variables as &[(&str, &OsStr)]) else {
        return;
    };
    let server = gateway(&site, &publish_at);
    let get = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: {}\r\n\r\n", site.address);
    let (mut feed, head) = server.ask(get("feed"));
    assert_status(&head, 200);
    assert_eq!(field(&head, "Content-Type"), Some("text/event-stream"));
    feed.expect("F\r\ndata: welcome\n\n\r\n");
    let mut poll = server.connect();
    poll.send(get("poll"));
    // The time until the request is held cannot be observed.
    std::thread::sleep(Duration::from_secs(1));
    send_form(&site, "text=hello");
    feed.expect("D\r\ndata: hello\n\n\r\n");
    let head = poll.head();
    assert_status(&head, 201);
    assert_eq!(field(&head, "X-Room"), Some("room"), "{head}");
    assert_eq!(field(&head, "Content-Type"), Some("text/plain"), "{head}");
    poll.expect("hello");
}

/// Starts a gateway in front of a site, and writes the URL for publishing to the file `publish_at`.
fn gateway(site: &Server, publish_at: &Path) -> Server {
    let upstream = format!("http+grip://{}", site.address);
    let arguments = [&*upstream, "--publish", "127.0.0.1:0", "--grip-key", KEY];
    let more = ["--protocols", "all", "--origin", "*"];
    let mut server = POLYSOCK.serve(&[&arguments[..], &more].concat());
    let line = server.log_line("publish listener on ");
    let (_, publish) = line.split_once("publish listener on ").unwrap();
    let url = format!("http://{}?iss=site&key={KEY}\n", publish.trim());
    std::fs::write(publish_at, url).unwrap();
    server
}

/// Sends a form to the site, as a browser does.
#[track_caller]
fn send_form(site: &Server, form: &str) {
    let mut client: Client = site.connect();
    client.send(format!(
        "POST /say HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        site.address,
        form.len()
    ));
    // Django's own server speaks HTTP/1.0.
    let head = client.head().replace("HTTP/1.0", "HTTP/1.1");
    assert_status(&head, 200);
    client.rest();
}
