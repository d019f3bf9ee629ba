//! Publishing by ZeroMQ, as received by clients.

use std::net::{SocketAddr, TcpListener};

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::{HIXIE_75, RFC6455, with};
use polysock_test_support::program::Input;
use polysock_test_support::server::Server;
use polysock_test_support::zmq::ZmqPeer;

use crate::POLYSOCK;
use crate::configured::serve;

/// Reads the address of a socket of this kind from the log.
#[track_caller]
fn socket(server: &mut Server, kind: &str) -> SocketAddr {
    let part = format!("ZeroMQ {kind} socket on tcp://");
    let line = server.log_line(&part);
    let (_, address) = line.split_once(&part).unwrap();
    address.trim().parse().unwrap()
}

/// Opens an RFC 6455 client in the broadcast.
#[track_caller]
fn joins(server: &Server) -> Client {
    let (mut client, _) = server.answers(RFC6455, 101);
    client.send(frame(0x81, "here"));
    client.expect(unmasked(0x81, "here"));
    client
}

fn item(channel: &str, text: &str) -> String {
    format!(r#"J{{"channel":"{channel}","formats":{{"ws-message":{{"content":"{text}"}}}}}}"#)
}

#[test]
fn items_reach_clients_of_old_and_new_protocols() {
    let sockets = [
        "--zmq-pull",
        "tcp://127.0.0.1:0",
        "--zmq-sub",
        "tcp://127.0.0.1:0",
    ];
    let arguments = ["app:broadcast/news", "--protocols", "all", "--origin", "*"];
    let mut server = POLYSOCK.serve(&[&arguments[..], &sockets].concat());
    let mut push = ZmqPeer::push(socket(&mut server, "PULL"));
    let mut publisher = ZmqPeer::publisher(socket(&mut server, "SUB"));
    let mut new = joins(&server);
    let (mut old, _) = server.answers(HIXIE_75, 101);
    old.send(b"\0hello\xff");
    old.expect(b"\0hello\xff");
    new.expect(unmasked(0x81, "hello"));
    push.send(&[item("other", "elsewhere")]);
    push.send(&[item("news", "pushed")]);
    new.expect(unmasked(0x81, "pushed"));
    publisher.send(&["news", r#"J{"ws-message":{"content":"published"}}"#]);
    new.expect(unmasked(0x81, "published"));
    old.expect(b"\0pushed\xff\0published\xff");
    push.send(&["secret"]);
    push.send(&[item("news", "still there")]);
    new.expect(unmasked(0x81, "still there"));
    server.log_line("a ZeroMQ message is not published");
    // Connected peers do not delay the shutdown.
    server.signal("TERM");
    new.expect(b"\x88\x02\x03\xe9");
    new.send(frame(0x88, b"\x03\xe9"));
    old.send(b"\xff\0");
    drop((new, old));
    let (code, log) = server.ends_within(PATIENCE);
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("secret"), "{log}");
    push.client().gone();
}

#[test]
fn an_entry_of_ratchets_push_tutorial_is_an_event_of_its_category() {
    let sockets = [
        "--zmq-pull",
        "tcp://127.0.0.1:0",
        "--topic-field",
        "category",
    ];
    let mut server = POLYSOCK.serve(&[&["app:wamp"][..], &sockets].concat());
    let mut push = ZmqPeer::push(socket(&mut server, "PULL"));
    let offer = with(RFC6455, "Sec-WebSocket-Protocol: wamp\r\n");
    let (mut client, _) = server.answers(offer, 101);
    let welcome = client.take(2);
    client.take(welcome[1].into());
    client.send(frame(0x81, r#"[5,"kittensCategory"]"#));
    client.send(frame(0x81, r#"[2,1,"u"]"#));
    let error = r#"[4,1,"http://api.wamp.ws/error#generic","no procedure u"]"#;
    client.expect(unmasked(0x81, error));
    let entry =
        r#"{"category":"kittensCategory","title":"Hi","article":"\u2026","when":1795883968}"#;
    push.send(&[entry]);
    let event = format!(r#"[8,"kittensCategory",{entry}]"#);
    client.expect(unmasked(0x81, event));
}

#[test]
fn the_sockets_are_read_from_the_configuration_and_a_change_needs_a_restart() {
    let route = "[[route]]\ntarget = \"app:broadcast/news\"\n";
    let socket_at = |port| format!("[zmq]\npull = \"tcp://127.0.0.1:{port}\"\n{route}");
    let mut server = serve("zmq-file", &socket_at(0), &[]);
    let mut push = ZmqPeer::push(socket(&mut server, "PULL"));
    let mut client = joins(&server);
    let file = POLYSOCK.directory("zmq-file").join("polysock.toml");
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    std::fs::write(file, [listener, &socket_at(1)].concat()).unwrap();
    server.signal("HUP");
    server.log_line("`[zmq]` has changed; the change needs a restart");
    server.log_line("the configuration is in force");
    push.send(&[item("news", "the same")]);
    client.expect(unmasked(0x81, "the same"));
}

#[test]
fn an_address_that_is_in_use_or_not_local_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", taken.local_addr().unwrap());
    let start = |url: &str| {
        let arguments = ["serve", "app:chat", "--listen", "127.0.0.1:0"];
        let arguments = [&arguments[..], &["--zmq-pull", url]].concat();
        POLYSOCK.run(&arguments, Input::NOTHING)
    };
    let run = start(&url);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let problem = format!("cannot bind {url} for ZeroMQ: Address already in use");
    assert!(run.stderr.contains(&problem), "{}", run.stderr);
    let run = start("tcp://0.0.0.0:5560");
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let problem = "it must be reachable only from this machine";
    assert!(run.stderr.contains(problem), "{}", run.stderr);
}
