//! Bodies in both directions, streamed as they arrive.

use std::thread;

use polysock_test_support::opening::{assert_status, with};

use super::{GET, WebServer, ok};

const MIB: usize = 1024 * 1024;

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn each_piece_of_a_request_arrives_before_the_next_is_sent() {
    let (server, gateway) = WebServer::behind(&[]);
    let mut client = gateway.connect();
    client.send(with(POST, "TE: trailers\r\nTrailer: X-Sum\r\n"));
    let (mut connection, head) = server.asked();
    assert!(
        head.contains("\r\nTransfer-Encoding: chunked\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nTrailer: X-Sum\r\n"), "{head}");
    for piece in ["3\r\nabc\r\n", "2\r\nde\r\n"] {
        client.send(piece);
        connection.expect(piece);
    }
    client.send("0\r\nX-Sum: 5\r\n\r\n");
    connection.expect("0\r\nX-Sum: 5\r\n\r\n");
    connection.send(ok("done"));
    client.head();
    client.expect("done");
}

#[test]
fn each_event_of_an_answer_arrives_before_the_next_is_sent() {
    let (server, gateway) = WebServer::behind(&[]);
    for (framing, prefix, suffix) in [
        ("Transfer-Encoding: chunked\r\n", "9\r\n", "\r\n"),
        // Up to the end of the connection.
        ("", "", ""),
    ] {
        let mut client = gateway.connect();
        client.send(GET);
        let (mut connection, _) = server.asked();
        connection.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{framing}\r\n"
        ));
        let head = client.head();
        assert!(
            head.contains("\r\nTransfer-Encoding: chunked\r\n"),
            "{head}"
        );
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            connection.send(format!("{prefix}{event}{suffix}"));
            client.expect(format!("9\r\n{event}\r\n"));
        }
        if !framing.is_empty() {
            connection.send("0\r\n\r\n");
        }
        connection.finish();
        client.expect("0\r\n\r\n");
    }
}

#[test]
fn announced_trailers_of_an_answer_reach_clients_that_accept_them() {
    let (server, gateway) = WebServer::behind(&[]);
    for (te, trailers) in [("TE: trailers\r\n", "X-Sum: 5\r\n"), ("", "")] {
        let mut client = gateway.connect();
        client.send(with(GET, te));
        let (mut connection, _) = server.asked();
        connection.send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n\
             3\r\nabc\r\n0\r\nX-Sum: 5\r\n\r\n",
        );
        client.head();
        client.expect(format!("3\r\nabc\r\n0\r\n{trailers}\r\n"));
    }
}

#[test]
fn a_100_continue_of_the_server_is_passed_on() {
    let (server, gateway) = WebServer::behind(&["--workers", "1"]);
    let post = with(POST, "Expect: 100-continue\r\n");
    let mut client = gateway.connect();
    client.send(&post);
    let (mut connection, head) = server.asked();
    assert!(head.contains("\r\nExpect: 100-continue\r\n"), "{head}");
    connection.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_status(&client.head(), 100);
    client.send("3\r\nabc\r\n0\r\n\r\n");
    connection.expect("3\r\nabc\r\n0\r\n\r\n");
    connection.send(ok("done"));
    assert_status(&client.head(), 200);
    client.expect("done");
    // The server refuses the body.
    let mut client = gateway.connect();
    client.send(&post);
    connection.head();
    connection.send("HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_status(&client.head(), 413);
    assert_eq!(connection.rest(), b"", "nothing of the body");
    // The server ignores `Expect`.
    let mut client = gateway.connect();
    client.send(&post);
    let (mut connection, _) = server.asked();
    assert_status(&client.head(), 100);
    client.send("0\r\n\r\n");
    connection.expect("0\r\n\r\n");
    connection.send(ok("done"));
    assert_status(&client.head(), 200);
}

#[test]
fn a_peer_that_does_not_read_stops_the_sender() {
    let (server, gateway) = WebServer::behind(&[]);
    let (before, _) = gateway.memory();
    let piece = vec![b'x'; MIB];
    // A server that does not read.
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n");
    let (_connection, _) = server.asked();
    let sent = client.send_until_stuck(&piece);
    assert!(sent < 64 * MIB, "{sent} bytes went out");
    // A client that does not read.
    let mut client = gateway.connect();
    client.send(GET);
    let (mut connection, _) = server.asked();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
    let sent = connection.send_until_stuck(&piece);
    assert!(sent < 64 * MIB, "{sent} bytes went out");
    client.head();
    let growth = gateway.memory().1.saturating_sub(before);
    assert!(growth < 8 * MIB, "resident memory grew by {growth} bytes");
}

#[test]
fn a_gib_passes_both_ways_in_bounded_memory() {
    const GIB: usize = 1024 * MIB;
    let (server, gateway) = WebServer::behind(&[]);
    let (before, _) = gateway.memory();
    let echo = thread::spawn(move || {
        let (mut connection, _) = server.asked();
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n"));
        for _ in 0..GIB / MIB {
            let piece = connection.take(MIB);
            connection.send(piece);
        }
        connection
    });
    let mut client = gateway.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {GIB}\r\n\r\n"
    ));
    client.head();
    let piece = vec![b'x'; MIB];
    for _ in 0..GIB / MIB {
        client.send(&piece);
        assert!(client.take(MIB) == piece);
    }
    echo.join().unwrap();
    let growth = gateway.memory().1.saturating_sub(before);
    assert!(growth < 8 * MIB, "resident memory grew by {growth} bytes");
}
