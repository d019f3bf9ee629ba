//! The example of a site: all kinds of targets behind one port, used at the same time by a client
//! of hixie-76, a client of version 8 and a current browser.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::opening::assert_status;
use polysock_test_support::peers::{Peer, serve};
use polysock_test_support::server::Server;
use polysock_test_support::tcp::raw_echo_server;

use super::proxies::nginx;
use crate::POLYSOCK;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/site.toml");

/// The echo clients: peer, version and path. `/old` and `/run` have no binary messages, so their
/// clients send none.
const ECHOES: [(&str, &str, &str); 7] = [
    ("phantomjs", "1.9.8", "/api"),
    ("phantomjs", "1.9.8", "/old"),
    ("phantomjs", "1.9.8", "/run"),
    ("ws", "0.4.32/hybi-10", "/api"),
    ("chromium", "binary", "/api"),
    ("chromium", "text", "/old"),
    ("chromium", "text", "/run"),
];

/// The versions of the clients that carry bytes to the screen.
const CARRIERS: [&str; 3] = ["hixie-76", "0.4.32/hybi-10", "8"];

/// The members of the chat: name, peer and version.
const CHATTERS: [(&str, &str, &str); 3] = [
    ("PhantomJS", "phantomjs", "1.9.8"),
    ("Node.js", "ws", "0.4.32/hybi-10"),
    ("Chromium", "chromium", ""),
];

#[test]
fn every_kind_of_target_is_used_simultaneously_behind_one_port() {
    let (Some(of_today), Some(of_2010)) = (serve("ws"), serve("hixie-76")) else {
        return;
    };
    let Some(web) = nginx("site", |address| {
        format!(
            "events {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path DIRECTORY/body;\n  \
             proxy_temp_path DIRECTORY/proxy;\n  fastcgi_temp_path DIRECTORY/fastcgi;\n  \
             uwsgi_temp_path DIRECTORY/uwsgi;\n  scgi_temp_path DIRECTORY/scgi;\n  \
             server {{\n    listen {address} reuseport;\n    location / {{\n      \
             return 200 \"the web server of $http_x_forwarded_for\\n\";\n    }}\n  }}\n}}\n"
        )
    }) else {
        return;
    };
    let tokens = POLYSOCK.directory("site-tokens").join("tokens");
    std::fs::write(&tokens, format!("desk: {}\n", raw_echo_server())).unwrap();
    let mut command = POLYSOCK.command();
    command
        .args(["serve", "--config", EXAMPLE])
        .env("PORT", "0")
        .env("TOKENS", &tokens)
        .env("API_PORT", of_today.address.port().to_string())
        .env("OLD_PORT", of_2010.address.port().to_string())
        .env("WEB_PORT", web.address.port().to_string())
        .stdin(Stdio::null());
    let mut server = Server::start(&mut command, PATIENCE).unwrap_or_else(|end| panic!("{end:?}"));
    let port = server.address.port().to_string();

    let echoes = ECHOES
        .map(|(peer, version, path)| Peer::start(&[peer, "127.0.0.1", &port, path, "", version]));
    let carriers = CARRIERS.map(|version| {
        Peer::start(&[
            "--carry",
            "127.0.0.1",
            &port,
            "/vnc/desk",
            "1000000",
            version,
        ])
    });
    let count = CHATTERS.len().to_string();
    let chatters = CHATTERS.map(|(name, peer, version)| {
        let path = format!("/chat?name={name}");
        let head = ["--chat", peer, "127.0.0.1", &port, &path];
        Peer::start(&[&head[..], &["hello", &count, version]].concat())
    });
    for (path, says) in [
        ("/", "the web server of 127.0.0.1\n"),
        ("/any/page?a=b", "the web server of 127.0.0.1\n"),
        ("/files/hello.txt", "hello\n"),
    ] {
        assert_eq!(page(&server, path, 200), says, "{path}");
    }
    page(&server, "/files/../tokens", 400);
    page(&server, "/files/tokens", 404);
    let used = echoes.into_iter().chain(carriers).chain(chatters);
    let passed = used.filter_map(Peer::passes).count();
    let log = server.stop();
    if passed == ECHOES.len() + CARRIERS.len() + CHATTERS.len() {
        for (protocol, route) in [
            ("hixie-76", "/old"),
            ("hybi-10", "/vnc/{token}"),
            ("rfc6455", "/run"),
        ] {
            let is_told = |line: &str| {
                let parts = [" close ", protocol, &format!("route=\"{route}\"")];
                parts.iter().all(|part| line.contains(part))
            };
            assert!(log.lines().any(is_told), "{protocol} {route}:\n{log}");
        }
        assert!(!log.contains("desk"), "a token is in the log:\n{log}");
    }
}

/// Returns the body of a page.
#[track_caller]
fn page(server: &Server, path: &str, status: u16) -> String {
    let mut client: Client = server.connect();
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ));
    assert_status(&client.head(), status);
    String::from_utf8(client.rest()).unwrap()
}
