//! Web apps that publish by libzmq, from Python and from PHP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::{RFC6455, with};
use polysock_test_support::peers::Peer;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// Returns the address of a socket of this kind, from the log.
#[track_caller]
fn socket(server: &mut Server, kind: &str) -> String {
    let part = format!("ZeroMQ {kind} socket on ");
    let line = server.log_line(&part);
    let (_, address) = line.split_once(&part).unwrap();
    address.trim().to_owned()
}

#[track_caller]
fn gets(client: &mut Client, text: &str) {
    client.expect(unmasked(0x81, text));
}

#[test]
fn items_from_python_reach_clients_in_order() {
    let sockets = [
        "--zmq-pull",
        "tcp://127.0.0.1:0",
        "--zmq-sub",
        "tcp://127.0.0.1:0",
    ];
    let mut server = POLYSOCK.serve(&[&["app:broadcast/news"][..], &sockets].concat());
    let (pull, sub) = (socket(&mut server, "PULL"), socket(&mut server, "SUB"));
    let (mut client, _) = server.answers(RFC6455, 101);
    client.send(frame(0x81, "here"));
    gets(&mut client, "here");
    let app = Peer::start(&["--zmq", "python", &pull, &sub]);
    if app.passes().is_none() {
        return;
    }
    for text in ["with T", "without a letter", "Gr\u{fc}\u{df}e"] {
        gets(&mut client, text);
    }
    for number in 0..200 {
        gets(&mut client, &format!("number {number}"));
    }
    for text in ["after a silence", "by PUB, J", "by PUB, T"] {
        gets(&mut client, text);
    }
    let log = server.stop();
    assert!(log.contains("a ZeroMQ message is not published"), "{log}");
    assert!(!log.contains("a ZeroMQ peer is disconnected"), "{log}");
}

#[test]
fn items_from_php_over_a_unix_socket_are_events_for_subscribers() {
    let path = POLYSOCK.directory("zmq-php").join("push.sock");
    let url = format!("ipc://{}", path.display());
    let arguments = ["app:wamp", "--zmq-pull", &url, "--topic-field", "category"];
    let mut server = POLYSOCK.serve(&arguments);
    assert_eq!(socket(&mut server, "PULL"), url);
    let offer = with(RFC6455, "Sec-WebSocket-Protocol: wamp\r\n");
    let (mut client, _) = server.answers(offer, 101);
    let [_, welcome] = client.take(2)[..] else {
        panic!("a frame has two bytes at least");
    };
    client.take(welcome.into());
    client.send(frame(0x81, r#"[5,"kittens"]"#));
    client.send(frame(0x81, r#"[2,1,"u"]"#));
    let error = r#"[4,1,"http://api.wamp.ws/error#generic","no procedure u"]"#;
    gets(&mut client, error);
    for category in ["puppies", "kittens"] {
        let blog = Peer::start(&["--zmq", "php", &url, category, "100"]);
        if blog.passes().is_none() {
            return;
        }
    }
    for number in 0..100 {
        let entry = format!(
            r#"{{"category":"kittens","title":"Entry {number}","article":"Gr\u00fc\u00dfe \u2026"}}"#
        );
        gets(&mut client, &format!(r#"[8,"kittens",{entry}]"#));
    }
    server.stop();
}
