//! `polysock connect`: lines in, lines out, and an exit code for each end.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use polysock::protocols::{PROTOCOLS, find_protocol};
use polysock::{Accept, BoxError, Close, CloseCode, Gateway, Handshake, Site};
use polysock_test_support::gateway;
use polysock_test_support::program::Input;
use polysock_test_support::wire_peer::{Seen, WirePeer};

use crate::POLYSOCK;

#[test]
fn talks_to_an_echo_in_every_protocol() {
    let server = POLYSOCK.echo(&[]);
    for protocol in PROTOCOLS {
        let name = protocol.name();
        let plain = format!("ws://{}/chat", server.address);
        let named = format!("ws+{}://{}/chat", name.replace('-', ""), server.address);
        for arguments in [
            &["connect", "--protocol", name, &plain][..],
            &["connect", &named],
        ] {
            let run = POLYSOCK.run(arguments, Input::Bytes("hello\n\ngrüße\n".as_bytes()));
            assert_eq!(run.text(), "hello\n\ngrüße\n", "{arguments:?}");
            assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.stderr);
        }
    }
}

#[test]
fn speaks_the_requested_protocol() {
    let mut server = POLYSOCK.echo(&[]);
    for protocol in PROTOCOLS {
        let url = format!("ws://{}/where", server.address);
        let run = POLYSOCK.run(
            &["connect", "--protocol", protocol.name(), &url],
            Input::NOTHING,
        );
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let line = server.log_line(" open ");
        let part = format!("protocol=\"{}\"", protocol.name());
        assert!(line.contains(&part), "{line}");
        assert!(line.contains("target=\"/where\""), "{line}");
    }
}

#[test]
fn carries_bytes_in_rfc6455() {
    let server = POLYSOCK.echo(&[]);
    let url = format!("ws://{}/", server.address);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let run = POLYSOCK.run(&["connect", "--binary", &url], Input::Bytes(&bytes));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout == bytes, "{} bytes came back", run.stdout.len());
}

#[test]
fn reports_a_line_that_is_no_utf_8() {
    let server = POLYSOCK.echo(&[]);
    let url = format!("ws://{}/", server.address);
    let run = POLYSOCK.run(&["connect", &url], Input::Bytes(b"a\n\xff\nb\n"));
    assert_eq!(run.code, Some(4));
    assert!(run.stderr.contains("utf-8"), "{}", run.stderr);
}

#[test]
fn says_that_bytes_cannot_be_sent_in_hixie_76() {
    let server = POLYSOCK.echo(&[]);
    let url = format!("ws+hixie76://{}/", server.address);
    let run = POLYSOCK.run(&["connect", "--binary", &url], Input::Bytes(b"\0"));
    assert_eq!(run.code, Some(4));
    let part = "a binary message cannot be sent over hixie-76";
    assert!(run.stderr.contains(part), "{}", run.stderr);
}

#[test]
fn sends_the_given_origin() {
    let mut server = POLYSOCK.echo(&["--origin", "http://page.example"]);
    let url = format!("ws://{}/", server.address);
    let arguments = ["connect", "--origin", "http://page.example", &url];
    let run = POLYSOCK.run(&arguments, Input::Bytes(b"hello\n"));
    assert_eq!((run.text(), run.code), ("hello\n", Some(0)));
    let line = server.log_line(" open ");
    assert!(line.contains("origin=\"http://page.example\""), "{line}");
}

#[test]
fn exits_with_3_where_it_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("ws://{}/", free.local_addr().unwrap());
    drop(free);
    let run = POLYSOCK.run(&["connect", &nobody], Input::NOTHING);
    assert_eq!(run.code, Some(3));
    assert!(run.stderr.contains("Connection refused"), "{}", run.stderr);

    let server = POLYSOCK.echo(&["--origin", "http://page.example"]);
    let url = format!("ws://{}/", server.address);
    let run = POLYSOCK.run(&["connect", &url], Input::NOTHING);
    assert_eq!(run.code, Some(3));
    assert!(run.stderr.contains("status 403"), "{}", run.stderr);

    let server = POLYSOCK.serve(&["--app", "echo", "--protocols", "rfc6455"]);
    let url = format!("ws+hybi10://{}/", server.address);
    let run = POLYSOCK.run(&["connect", &url], Input::NOTHING);
    assert_eq!(run.code, Some(3));
    assert!(run.stderr.contains("status 426"), "{}", run.stderr);
}

#[test]
fn the_exit_status_depends_on_the_close_code() {
    for (protocol, code, exit) in [
        ("rfc6455", 1000, 0),
        ("rfc6455", 1001, 0),
        ("rfc6455", 1011, 4),
        ("rfc6455", 4000, 4),
        ("hybi-10", 4000, 4),
        // The protocol sends no code, so it was a normal end.
        ("hixie-75", 4000, 0),
        ("hixie-76", 4000, 0),
    ] {
        let url = format!("ws://{}/", closing_server(code, "enough"));
        let run = POLYSOCK.run(&["connect", "--protocol", protocol, &url], Input::Open);
        assert_eq!(run.code, Some(exit), "{protocol} {code}: {}", run.stderr);
        if exit == 4 {
            let part = format!("closed with {code} enough");
            assert!(run.stderr.contains(&part), "{}", run.stderr);
        }
    }
}

#[test]
fn a_close_reason_is_printed_without_control_characters() {
    let url = format!(
        "ws://{}/",
        closing_server(4000, "\x1b[2J\u{9b}2J\u{202e}\r\n*")
    );
    let run = POLYSOCK.run(&["connect", &url], Input::Open);
    let part = r"closed with 4000 \u{1b}[2J\u{9b}2J\u{202e}\r\n*";
    assert!(run.stderr.contains(part), "{:?}", run.stderr);
    for format in [&[][..], &["--json"]] {
        let bench = ["bench", "--duration", "1s", &url];
        let report = POLYSOCK.run(&[&bench[..], format].concat(), Input::NOTHING);
        assert_eq!(report.code, Some(1), "{report:?}");
        let text = report.text();
        for steers in ["\x1b", "\u{9b}", "\u{202e}"] {
            assert!(!text.contains(steers), "{text:?}");
        }
        assert!(text.contains("u{202e}"), "{text:?}");
    }
}

/// Starts a server in this process that closes each connection with this code and reason.
fn closing_server(code: u16, reason: &'static str) -> SocketAddr {
    let close = Close::new(CloseCode::new(code).unwrap(), reason);
    let application = move |handshake: Handshake| {
        let close = close.clone();
        async move {
            let connection = handshake.accept(Accept::default()).await?;
            Ok::<(), BoxError>(connection.close(Some(close)).await?)
        }
    };
    let settings = polysock::PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..polysock::PortSettings::default()
    };
    let gateway = Gateway::with_site(Site::new(application), settings);
    gateway::serve(gateway)
}

#[test]
fn exits_with_4_where_the_server_dies() {
    let mut server = POLYSOCK.echo(&[]);
    let url = format!("ws://{}/", server.address);
    let client = thread::spawn(move || POLYSOCK.run(&["connect", &url], Input::Open));
    server.log_line(" open ");
    drop(server);
    let run = client.join().unwrap();
    assert_eq!(run.code, Some(4), "{}", run.stderr);
}

#[test]
fn interim_answers_are_skipped_by_all_that_dial() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let rfc6455 = find_protocol("rfc6455").unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
            stream.write_all(hints).unwrap();
            let mut peer = WirePeer::accept(rfc6455, stream);
            thread::spawn(move || {
                while let Seen::Event(event) = peer.see() {
                    peer.send(event);
                }
            });
        }
    });
    let url = format!("ws://{address}/");
    let gateway = POLYSOCK.serve(&[&url]);
    let through = format!("ws://{}/", gateway.address);
    let run = POLYSOCK.run(&["connect", &url], Input::Bytes(b"hello\n"));
    assert_eq!(
        (run.code, run.text()),
        (Some(0), "hello\n"),
        "{}",
        run.stderr
    );
    // Without input: the gateway does not wait for an echo once the client has closed.
    let run = POLYSOCK.run(&["connect", &through], Input::NOTHING);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let bench = ["bench", "--connections", "1", "--duration", "100ms", &url];
    let run = POLYSOCK.run(&bench, Input::NOTHING);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
