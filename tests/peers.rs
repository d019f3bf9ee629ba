//! Third-party clients of every generation against the program. `tests/peers/install` installs
//! them. A test whose client is not installed reports that and passes, unless
//! `POLYSOCK_PEERS_REQUIRED` is set.

mod peers {
    mod auto;
    #[cfg(all(feature = "grip", feature = "nats", feature = "redis"))]
    mod cluster;
    mod differences;
    mod novnc;
    #[cfg(feature = "legacy-tls")]
    mod old_tls;
    mod page;
    mod proxies;
    #[cfg(feature = "grip")]
    mod push;
    mod site;
    mod smuggling;
    mod tap;
    #[cfg(feature = "tls")]
    mod tls;
    mod wamp;
    #[cfg(feature = "zmq")]
    mod zmq;
}

use std::{env, fs};

use polysock_test_support::middle::{Middle, Way};
use polysock_test_support::peers::{PEER, Peer, every_peer, serve};
use polysock_test_support::program::{Input, Program};
use polysock_test_support::server::Server;
use polysock_test_support::tcp::{raw_echo_server, status_line_of_rfc6455};

/// The program, which Cargo has built for these tests.
const POLYSOCK: Program = Program::new(env!("CARGO_BIN_EXE_polysock"), env!("CARGO_TARGET_TMPDIR"));

/// Runs `polysock replay` to its end. Returns whether all sessions were the same as recorded, and
/// the output.
fn replay(arguments: &[&str]) -> (bool, String) {
    let run = POLYSOCK.run_within(PEER, &[&["replay"], arguments].concat(), Input::NOTHING);
    let printed = format!("{}{}", run.text(), run.stderr);
    assert!(matches!(run.code, Some(0 | 1)), "{:?}: {printed}", run.code);
    (run.code == Some(0), printed)
}

/// Starts an echo server with all protocols.
fn echo_server() -> Server {
    POLYSOCK.serve(&["--app", "echo", "--protocols", "all", "--origin", "*"])
}

/// Runs the echo check of one client, and checks the protocol in the log.
fn echoes(peer: &str, version: &str, protocol: &str) {
    echoes_with(peer, version, protocol, "");
}

fn echoes_with(peer: &str, version: &str, protocol: &str, subprotocol: &str) {
    let mut server = echo_server();
    let port = server.address.port().to_string();
    let client = Peer::start(&[peer, "127.0.0.1", &port, "/echo", subprotocol, version]);
    if client.passes().is_none() {
        return;
    }
    let log = server.stop();
    let of_protocol = format!(" protocol=\"{protocol}\" ");
    // QtWebKit of 2012 only ends the stream, although draft-hixie-76 requires FF 00 before.
    let says_goodbye = (peer, version) != ("phantomjs", "1.9.8");
    let expected = |line: &str| {
        // 1006: there was no closing handshake.
        line.contains(" close id=")
            && line.contains(&of_protocol)
            && line.contains("code=1006") != says_goodbye
    };
    assert!(
        log.lines().any(expected),
        "no such close in {protocol}:\n{log}"
    );
    assert!(!log.contains("panicked"), "{log}");
}

/// Runs the echo check of one client with its offered compression, and checks the bytes on the
/// wire. Runs once with only long messages compressed, without context takeover, and once with all
/// messages compressed and context takeover.
fn compresses(peer: &str, version: &str, extension: &str) {
    let all = ["--context-takeover", "--compression-threshold", "0"];
    for arguments in [&[][..], &all] {
        let mut server = POLYSOCK.serve(&[&["--app", "echo", "--origin", "*"], arguments].concat());
        let middle = Middle::before(server.address, &[]);
        let port = middle.address.port().to_string();
        let client = Peer::start(&[peer, "127.0.0.1", &port, "/echo", "", version]);
        if client.passes().is_none() {
            return;
        }
        let answer = middle.answer().expect("compression is agreed on");
        assert!(answer.starts_with(extension), "{answer}");
        for way in [Way::Up, Way::Down] {
            let (firsts, len) = middle.frames(way);
            // Two of the messages have 70,000 bytes.
            let compressed = firsts.iter().filter(|first| **first & 0x40 != 0).count();
            assert!(
                compressed >= 2,
                "{peer} {way:?}: RSV1 in {compressed} frames"
            );
            assert!(len < 70_000, "{peer} {way:?}: {len} bytes");
        }
        server.stop();
    }
}

#[test]
fn tornado_keeps_its_window_and_is_understood() {
    echoes("tornado", "6.6", "rfc6455");
}

#[test]
fn tornado_compresses() {
    compresses("tornado", "6.6", "permessage-deflate");
}

#[test]
fn mojolicious_keeps_its_window_and_is_understood() {
    echoes("mojolicious", "current", "rfc6455");
}

#[test]
fn mojolicious_compresses() {
    compresses("mojolicious", "current", "permessage-deflate");
}

#[test]
fn autobahn_0_10_9_echoes_over_hixie_76() {
    echoes("autobahn", "hixie-76", "hixie-76");
}

#[test]
fn autobahn_0_10_9_echoes_over_hybi_10() {
    echoes("autobahn", "hybi-10", "hybi-10");
}

#[test]
fn autobahn_0_10_9_echoes_over_draft_12() {
    echoes("autobahn", "draft-12", "hybi-10");
}

#[test]
fn autobahn_0_10_9_echoes_over_rfc6455() {
    echoes("autobahn", "rfc6455", "rfc6455");
}

#[test]
fn autobahn_0_10_9_compresses() {
    compresses("autobahn", "permessage-deflate", "permessage-deflate");
}

#[test]
fn chromium_echoes_over_rfc6455() {
    echoes("chromium", "binary", "rfc6455");
}

#[test]
fn chromium_compresses() {
    compresses("chromium", "binary", "permessage-deflate");
}

#[test]
fn faye_websocket_0_11_4_echoes_over_rfc6455() {
    echoes("faye-websocket", "0.11.4", "rfc6455");
}

#[test]
fn h2_and_wsproto_of_pypi_echo_over_http_2() {
    echoes("h2", "current", "rfc6455");
}

#[test]
fn h2_and_wsproto_of_pypi_are_given_their_subprotocol_over_http_2() {
    echoes_with("h2", "current", "rfc6455", "sample");
}

#[test]
fn perl_protocol_websocket_echoes_over_hixie_75() {
    echoes("perl", "hixie-75", "hixie-75");
}

#[test]
fn perl_protocol_websocket_echoes_over_hixie_76() {
    echoes("perl", "hixie-76", "hixie-76");
}

#[test]
fn perl_protocol_websocket_echoes_over_hybi_10() {
    echoes("perl", "hybi-10", "hybi-10");
}

#[test]
fn perl_protocol_websocket_echoes_over_rfc6455() {
    echoes("perl", "rfc6455", "rfc6455");
}

#[test]
fn phantomjs_1_9_8_echoes_over_hixie_76() {
    echoes("phantomjs", "1.9.8", "hixie-76");
}

#[test]
fn phantomjs_2_1_1_echoes_over_rfc6455() {
    echoes("phantomjs", "2.1.1", "rfc6455");
}

#[test]
fn phantomjs_2_1_1_compresses_frames() {
    compresses("phantomjs", "2.1.1", "x-webkit-deflate-frame");
}

#[test]
fn pywebsocket_0_7_9_echoes_over_hixie_76() {
    echoes("pywebsocket", "hixie-76", "hixie-76");
}

#[test]
fn pywebsocket_0_7_9_echoes_over_hybi_07() {
    echoes("pywebsocket", "hybi-07", "hybi-07");
}

#[test]
fn pywebsocket_0_7_9_echoes_over_hybi_10() {
    echoes("pywebsocket", "hybi-10", "hybi-10");
}

#[test]
fn pywebsocket_0_7_9_echoes_over_rfc6455() {
    echoes("pywebsocket", "rfc6455", "rfc6455");
}

#[test]
fn pywebsocket_0_7_9_compresses_frames() {
    compresses("pywebsocket", "deflate-frame", "deflate-frame");
}

#[test]
fn undici_7_echoes_over_rfc6455() {
    echoes("undici", "7", "rfc6455");
}

#[test]
fn websocket_client_1_0_0_of_npm_echoes_over_hixie_76() {
    echoes("websocket-client-npm", "1.0.0", "hixie-76");
}

#[test]
fn websocket_client_0_3_of_pypi_echoes_over_hixie_76() {
    echoes("websocket-client-pypi", "0.3", "hixie-76");
}

#[test]
fn websocket_client_0_4_of_pypi_echoes_over_hixie_76() {
    echoes("websocket-client-pypi", "0.4", "hixie-76");
}

#[test]
fn websocket_client_0_5_1_of_pypi_echoes_over_rfc6455() {
    echoes("websocket-client-pypi", "0.5.1", "rfc6455");
}

#[test]
fn websocket_1_0_35_of_npm_echoes_over_hybi_10() {
    echoes("websocket-npm", "hybi-10", "hybi-10");
}

#[test]
fn websocket_1_0_35_of_npm_echoes_over_rfc6455() {
    echoes("websocket-npm", "rfc6455", "rfc6455");
}

#[test]
fn websockets_of_pypi_echoes_over_rfc6455() {
    echoes("websockets", "current", "rfc6455");
}

#[test]
fn websockets_of_pypi_compresses() {
    compresses("websockets", "current", "permessage-deflate");
}

#[test]
fn ws_0_4_32_echoes_over_hybi_10() {
    echoes("ws", "0.4.32/hybi-10", "hybi-10");
}

#[test]
fn ws_0_4_32_echoes_over_rfc6455() {
    echoes("ws", "0.4.32", "rfc6455");
}

#[test]
fn ws_0_7_2_echoes_over_hybi_10() {
    echoes("ws", "0.7.2/hybi-10", "hybi-10");
}

#[test]
fn ws_0_7_2_echoes_over_rfc6455() {
    echoes("ws", "0.7.2", "rfc6455");
}

#[test]
fn ws_1_1_5_echoes_over_hybi_10() {
    echoes("ws", "1.1.5/hybi-10", "hybi-10");
}

#[test]
fn ws_1_1_5_echoes_over_rfc6455() {
    echoes("ws", "1.1.5", "rfc6455");
}

#[test]
fn ws_1_1_5_compresses_over_hybi_10() {
    compresses("ws", "1.1.5/hybi-10", "permessage-deflate");
}

#[test]
fn ws_8_compresses() {
    compresses("ws", "8", "permessage-deflate");
}

#[test]
fn ws_8_echoes_over_hybi_10() {
    echoes("ws", "8/hybi-10", "hybi-10");
}

#[test]
fn ws_8_echoes_over_rfc6455() {
    echoes("ws", "8", "rfc6455");
}

#[test]
fn perl_protocol_websocket_is_given_its_subprotocol_over_hixie_75() {
    echoes_with("perl", "hixie-75", "hixie-75", "sample");
}

#[test]
fn phantomjs_1_9_8_is_given_its_subprotocol_over_hixie_76() {
    echoes_with("phantomjs", "1.9.8", "hixie-76", "sample");
}

#[test]
fn websocket_1_0_35_of_npm_is_given_its_subprotocol_over_hybi_10() {
    echoes_with("websocket-npm", "hybi-10", "hybi-10", "sample");
}

#[test]
fn chromium_is_given_its_subprotocol_over_rfc6455() {
    echoes_with("chromium", "binary", "rfc6455", "sample");
}

#[test]
fn clients_get_the_offered_subprotocol_that_the_gateway_prefers() {
    let arguments = ["--app", "echo", "--protocols", "all", "--origin", "*"];
    let list = ["--subprotocol", "sample,other"];
    let mut server = POLYSOCK.serve(&[&arguments[..], &list].concat());
    let port = server.address.port().to_string();
    for (peer, version, offer) in [
        ("perl", "hixie-75", "sample"),
        // QtWebKit accepts only its own list, unchanged.
        ("phantomjs", "1.9.8", "other,sample"),
        ("websocket-npm", "hybi-10", "sample"),
        ("h2", "current", "sample"),
        ("undici", "7", "other,sample"),
        ("chromium", "binary", "third,other,sample"),
    ] {
        Peer::start(&[peer, "127.0.0.1", &port, "/echo", offer, version]).passes();
    }
    server.stop();
}

#[test]
fn every_client_echoes_at_the_same_time() {
    let mut server = echo_server();
    let port = server.address.port().to_string();
    let peers: Vec<_> = every_peer()
        .iter()
        .map(|(peer, version)| Peer::start(&[peer, "127.0.0.1", &port, "/echo", "", version]))
        .collect();
    assert!(!peers.is_empty(), "there is a list of peers");
    for peer in peers {
        peer.passes();
    }
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn every_client_is_captured_and_its_session_replays() {
    let directory = POLYSOCK.directory("captured-peers");
    let mut server = POLYSOCK.capture(&directory, &[]);
    let directory = directory.to_str().expect("a path of text");
    let port = server.address.port().to_string();
    let peers: Vec<_> = every_peer()
        .iter()
        // Transcripts have no streams, and captures no compression.
        .filter(|(peer, version)| peer != "h2" && !version.contains("deflate"))
        .map(|(peer, version)| Peer::start(&[peer, "127.0.0.1", &port, "/echo", "", version]))
        .collect();
    let passed = peers.into_iter().filter_map(Peer::passes).count();
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
    if passed == 0 {
        return;
    }
    let names = fs::read_dir(directory).expect("it was made");
    let names = names.map(|entry| entry.expect("an entry").file_name().into_string());
    let opened = names.filter(|name| {
        let name = name.as_ref().expect("a name of text");
        name.ends_with("-open.wire")
    });
    assert!(opened.count() >= passed, "one for each of {passed}\n{log}");
    for split in ["as-recorded", "whole", "1", "random:1"] {
        let (is_green, report) = replay(&[directory, "--split", split]);
        assert!(is_green, "split {split}:\n{report}");
    }
}

/// A member of the chat.
struct Speaker {
    name: &'static str,
    protocol: &'static str,
    peer: &'static str,
    version: &'static str,
    text: &'static str,
}

// Chromium is first, so that its page shows how the others join.
static SPEAKERS: [Speaker; 4] = [
    Speaker {
        name: "Chromium",
        protocol: "rfc6455",
        peer: "chromium",
        version: "",
        text: "RFC 6455, the WebSocket of today.",
    },
    Speaker {
        name: "Node.js",
        protocol: "hybi-10",
        peer: "ws",
        version: "0.4.32/hybi-10",
        text: "Version 8, as in Firefox 7 and Chrome 14.",
    },
    Speaker {
        name: "PhantomJS",
        protocol: "hixie-76",
        peer: "phantomjs",
        version: "1.9.8",
        text: "Hixie-76, as in Safari 5 and on the first iPad.",
    },
    Speaker {
        name: "Perl",
        protocol: "hixie-75",
        peer: "perl",
        version: "hixie-75",
        text: "Grüße from Hixie-75, as in Chrome 4.",
    },
];

#[test]
fn four_generations_chat_together() {
    let mut server = POLYSOCK.serve(&["--protocols", "all", "--origin", "*"]);
    let port = server.address.port().to_string();
    let count = SPEAKERS.len().to_string();
    let screenshot = env::var_os("POLYSOCK_SCREENSHOT")
        .map(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/chat.png"));
    let variables: Vec<_> = screenshot
        .iter()
        .map(|path| ("SCREENSHOT", *path))
        .collect();

    let mut peers = Vec::new();
    for speaker in &SPEAKERS {
        let path = format!("/?name={}", speaker.name);
        let head = ["--chat", speaker.peer, "127.0.0.1", &port, &path];
        let arguments = [&head[..], &[speaker.text, &count, speaker.version]].concat();
        let mut peer = Peer::start_with(&arguments, &variables);
        if !peer.waits_for("welcome\t") {
            // The peer is not installed, or fails here.
            peer.passes();
            return;
        }
        peers.push(peer);
    }
    let heard: Vec<_> = peers.into_iter().filter_map(Peer::passes).collect();
    assert_eq!(
        heard.len(),
        SPEAKERS.len(),
        "all were installed a moment ago"
    );

    for (listener, heard) in SPEAKERS.iter().zip(&heard) {
        for Speaker {
            name,
            protocol,
            text,
            ..
        } in &SPEAKERS
        {
            let line = format!("say\t{name}\t{protocol}\t{text}");
            assert!(
                heard.lines().any(|heard| heard == line),
                "{} has not heard {name}:\n{heard}",
                listener.name
            );
        }
    }
    server.stop();
}

#[test]
fn a_raw_tcp_server_carries_64_mib_for_three_generations() {
    const BYTES: u64 = 64 << 20;
    let upstream = format!("tcp://{}", raw_echo_server());
    let mut server = POLYSOCK.serve(&[&upstream, "--protocols", "all", "--origin", "*"]);
    let port = server.address.port().to_string();
    let bytes = BYTES.to_string();
    let peers = ["8", "0.4.32/hybi-10", "hixie-76"]
        .map(|version| Peer::start(&["--carry", "127.0.0.1", &port, "/", &bytes, version]));
    for peer in peers {
        peer.passes();
    }
    server.stop();
}

#[test]
fn chromium_reaches_a_hixie_76_only_server() {
    let Some(upstream) = serve("hixie-76") else {
        return;
    };
    let refusal = status_line_of_rfc6455(upstream.address).expect("the upstream answers");
    assert!(refusal.contains(" 400 "), "{refusal}");

    let url = format!("ws+hixie76://{}", upstream.address);
    let mut server = POLYSOCK.serve(&[&url, "--origin", "*"]);
    let port = server.address.port().to_string();
    if Peer::start(&["chromium", "127.0.0.1", &port, "/", "", "text"])
        .passes()
        .is_some()
    {
        server.stop();
    }
}
