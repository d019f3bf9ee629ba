//! Accessibility of the status page.

use polysock_test_support::opening::{RFC6455, versioned};
use polysock_test_support::peers::Peer;

use crate::POLYSOCK;

/// axe-core and HTML_CodeSniffer find no problem, in light and dark, wide and narrow, with and
/// without scripts, and with any names of clients.
#[test]
fn the_status_page_is_accessible() {
    let unpinged = ["--ping-interval", "none"];
    let arguments = [
        &["--app", "echo", "--control", "127.0.0.1:0"][..],
        &unpinged,
    ]
    .concat();
    let mut server = POLYSOCK.serve(&arguments);
    let listens = server.log_line("control listener on ");
    let (_, port) = listens.rsplit_once("127.0.0.1:").expect("its address");
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let long = "a".repeat(8000);
    let agents: [&[u8]; 4] = [
        b"<script>alert(1)</script>",
        long.as_bytes(),
        b"\xff\xfe not UTF-8 \x80",
        "evil \u{202e}txt.exe".as_bytes(),
    ];
    let asks = |version, agent: &[u8], status| {
        let head = versioned(version, "User-Agent: AGENT\r\n");
        let (before, after) = head.split_once("AGENT").expect("a place for it");
        let request = [before.as_bytes(), agent, after.as_bytes()].concat();
        server.answers(request, status).0
    };
    let clients = agents.map(|agent| [asks("13", agent, 101), asks("99", agent, 426)]);
    let shown = server.answers(RFC6455, 101);
    let opened = server.log_line(" open id=");
    let (_, id) = opened.split_once(" id=").expect("its name");
    let id = id.split_whitespace().next().expect("its name");
    let one = format!("/status/connections/{id}");
    Peer::start(&["--accessible", "127.0.0.1", &port, "/status", &one]).passes();
    drop((clients, shown));
    server.stop();
}
