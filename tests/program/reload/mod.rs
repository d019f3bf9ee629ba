//! Reloads of the configuration file, and their effects.

mod activation;
mod handover;
mod networks;
mod sunset;
mod traffic;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// A server with a configuration file that the test can rewrite.
struct Configured {
    file: PathBuf,
    server: Server,
}

impl Configured {
    fn start(name: &str, text: &str) -> Self {
        let file = POLYSOCK.directory(name).join("polysock.toml");
        fs::write(&file, text).unwrap();
        Self::start_of(file)
    }

    /// Starts a server with an existing file.
    fn start_of(file: PathBuf) -> Self {
        let mut command = POLYSOCK.command();
        command.arg("serve").arg("--config").arg(&file);
        let server = Server::start(command.stdin(Stdio::null()), PATIENCE);
        Self {
            file,
            server: server.unwrap_or_else(|end| panic!("{end:?}")),
        }
    }

    /// Rewrites the file and reloads it. Waits until the log contains `says`.
    fn reload(&mut self, text: &str, says: &str) -> String {
        fs::write(&self.file, text).unwrap();
        self.server.signal("HUP");
        self.server.log_line(says)
    }

    /// Opens a WebSocket at this path.
    fn open(&self, path: &str) -> Client {
        let mut client = self.server.connect();
        client.send(RFC6455.replace("/chat", path));
        assert_status(&client.head(), 101);
        client
    }
}

fn echoes(client: &mut Client) {
    client.send(frame(0x81, "hi"));
    client.expect(b"\x81\x02hi");
}

const IN_FORCE: &str = "the configuration is in force";

const LISTENER: &str = "[[listener]]\naddress = \"127.0.0.1:0\"\n";

fn echo_at(path: &str, more: &str) -> String {
    format!("[[route]]\npath = \"{path}\"\ntarget = \"app:echo\"\n{more}\n")
}

#[test]
fn a_request_gets_the_first_route_that_is_for_it_or_404() {
    let routes = [
        LISTENER,
        &echo_at("=/echo", ""),
        &echo_at("/old", "protocols = [\"hixie-76\"]"),
        &echo_at("/pages", "client = \"http\""),
    ]
    .concat();
    let configured = Configured::start("routes", &routes);
    echoes(&mut configured.open("/echo"));
    for (path, status) in [
        ("/echo/more", 404),
        ("/", 404),
        ("/old", 426),
        ("/pages", 404),
        ("/old/../echo", 400),
    ] {
        configured
            .server
            .answers(RFC6455.replace("/chat", path), status);
    }
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    configured.server.answers(get("/pages"), 426);
    configured.server.answers(get("/other"), 404);
}

#[test]
fn a_reload_closes_only_connections_of_changed_routes() {
    let first = [
        LISTENER,
        &echo_at("/kept", ""),
        &echo_at("/changed", "drain = \"1s\""),
    ]
    .concat();
    let mut configured = Configured::start("reload", &first);
    let mut kept = configured.open("/kept");
    let mut changed = configured.open("/changed");
    let mut stays = configured.open("/kept");
    let second = [
        LISTENER,
        &echo_at("/new", ""),
        &echo_at("/changed", "max_message = \"1KiB\""),
        &echo_at("/kept", ""),
    ]
    .concat();
    let line = configured.reload(&second, IN_FORCE);
    assert!(
        line.contains("routes=3") && line.contains("unchanged=1"),
        "{line}"
    );
    // RFC 6455 §7.4.1: going away.
    changed.expect(b"\x88\x02\x03\xe9");
    for client in [&mut kept, &mut stays, &mut configured.open("/new")] {
        echoes(client);
    }
    echoes(&mut configured.open("/changed"));
}

#[test]
fn a_route_may_keep_its_connections_through_a_reload() {
    let keep = "on_reload = \"keep\"";
    let first = [LISTENER, &echo_at("/a", keep)].concat();
    let mut configured = Configured::start("keep", &first);
    let mut client = configured.open("/a");
    configured.reload(&[LISTENER, &echo_at("/b", keep)].concat(), IN_FORCE);
    echoes(&mut client);
    configured
        .server
        .answers(RFC6455.replace("/chat", "/a"), 404);
}

#[test]
fn an_invalid_file_changes_nothing_and_the_log_names_the_error() {
    let mut configured = Configured::start("wrong", &[LISTENER, &echo_at("/a", "")].concat());
    let mut client = configured.open("/a");
    for (text, says) in [
        ("[[route]", "this is not valid TOML"),
        ("[[route]]\npath = \"/b\"\n", "this route has no target"),
        (
            &*[LISTENER, &echo_at("/b", "ping_intervall = \"5s\"")].concat(),
            "ping_interval",
        ),
    ] {
        configured.reload(text, says);
        configured
            .server
            .log_line("the old configuration stays in force");
        echoes(&mut client);
        echoes(&mut configured.open("/a"));
    }
}

#[test]
fn a_reload_adds_and_removes_listeners_and_keeps_their_connections() {
    let second = "[[listener]]\naddress = \"127.0.0.2:0\"\n";
    let route = echo_at("/", "");
    let mut configured = Configured::start("listeners", &[LISTENER, &route].concat());
    let mut client = configured.open("/");
    let file = [LISTENER, second, &route].concat();
    let line = configured.reload(&file, "listening on 127.0.0.2:");
    let (_, address) = line.split_once("listening on ").unwrap();
    let address = address.trim().parse().unwrap();
    configured.server.log_line(IN_FORCE);
    let mut other = Client::connect(address);
    other.send(RFC6455);
    assert_status(&other.head(), 101);
    configured.reload(&[LISTENER, &route].concat(), IN_FORCE);
    for client in [&mut client, &mut other, &mut configured.open("/")] {
        echoes(client);
    }
    assert!(std::net::TcpStream::connect(address).is_err());
    configured.server.signal("TERM");
    for client in [&mut client, &mut other] {
        client.expect(b"\x88\x02\x03\xe9");
    }
}
