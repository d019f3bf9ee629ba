//! noVNC in Chromium: its canvas shows a real desktop.

use std::fs;
use std::process::Stdio;

use polysock_test_support::PATIENCE;
use polysock_test_support::peers::{Peer, serve};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// A page of noVNC, served by a gateway, shows the desktop that a token selects.
#[test]
fn novnc_shows_a_desktop_in_chromium() {
    let Some(desktop) = serve("desktop") else {
        return;
    };
    let tokens = POLYSOCK.directory("novnc").join("tokens");
    fs::write(&tokens, format!("desk-7: {}\n", desktop.address)).expect("room for a token");
    let mut command = POLYSOCK.command();
    command
        .args(["websockify", "--web", "/usr/share/novnc", "127.0.0.1:0"])
        .args(["--token-plugin", "TokenFile", "--token-source"])
        .arg(&tokens)
        .stdin(Stdio::null());
    let started = Server::start(&mut command, PATIENCE);
    let mut server = started.unwrap_or_else(|end| panic!("{end:?}"));
    shows(
        &server,
        &desktop,
        "/vnc_lite.html?path=websockify%3Ftoken%3Ddesk-7",
    );
    server.stop();
}

/// The same through routes of a configuration file.
#[test]
fn novnc_shows_a_desktop_through_a_route() {
    let Some(desktop) = serve("desktop") else {
        return;
    };
    let directory = POLYSOCK.directory("novnc-route");
    let tokens = format!("desk-7: {}\n", desktop.address);
    fs::write(directory.join("tokens"), tokens).expect("room for a token");
    let file = directory.join("polysock.toml");
    fs::write(&file, ROUTES).expect("room for the routes");
    let mut command = POLYSOCK.command();
    command.args(["serve", "--config"]).arg(&file);
    let started = Server::start(command.stdin(Stdio::null()), PATIENCE);
    let mut server = started.unwrap_or_else(|end| panic!("{end:?}"));
    shows(&server, &desktop, "/vnc_lite.html?path=vnc/desk-7");
    server.stop();
}

const ROUTES: &str = r#"
[[listener]]
address = "127.0.0.1:0"

[[route]]
path = "/vnc/{token}"
target = "tcp://{token}"
tokens = "tokens"

[[route]]
target = "file:/usr/share/novnc"
"#;

/// Checks that noVNC finds colours on its canvas.
fn shows(server: &Server, desktop: &Server, page: &str) {
    let display = (desktop.address.port() - 5900).to_string();
    let port = server.address.port().to_string();
    Peer::start(&["--desktop", "127.0.0.1", &port, page, &display]).passes();
}
