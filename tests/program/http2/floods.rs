//! The cost of a hostile HTTP/2 client: each flood meets a limit, and other clients are served
//! meanwhile.

use std::io::Write;

use polysock_test_support::frame::frame;
use polysock_test_support::hostile::{
    CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, Hostile, PING, PRIORITY, REFUSED_STREAM,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, streams,
};
use polysock_test_support::http2::{GET, Peer, connect, http2_frame, preface, run};
use polysock_test_support::server::Server;

use super::MIB;
use crate::POLYSOCK;

/// Sends the flood, and asserts after each part that another client is served.
#[track_caller]
fn flood(server: &Server, part: &[u8], parts: usize) -> Hostile {
    let mut beside = server.websocket();
    let (before, _) = server.memory();
    let mut hostile = Hostile::over(server.connect());
    for _ in 0..parts {
        if !hostile.send(part) {
            break;
        }
        beside.send(frame(0x81, "hi"));
        beside.expect(b"\x81\x02hi");
    }
    let (_, highest) = server.memory();
    let growth = highest.saturating_sub(before);
    assert!(growth < 32 * MIB, "memory grew by {growth} bytes");
    hostile
}

#[test]
fn streams_that_are_reset_before_they_are_read_end_the_connection() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let mut part = Vec::new();
    for id in streams(1000) {
        part.extend(http2_frame(HEADERS, END_HEADERS, id, &connect()));
        part.extend(http2_frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    flood(&server, &part, 1).is_calmed();
}

#[test]
fn a_head_in_endless_continuations_ends_the_connection() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let mut part = http2_frame(HEADERS, 0, 1, GET);
    for _ in 0..10_000 {
        part.extend(http2_frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b"));
    }
    flood(&server, &part, 1).is_calmed();
}

#[test]
fn a_head_over_the_limit_is_refused() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let mut long = GET.to_vec();
    // Three fields of 6,000 bytes: 7-bit prefixed lengths (RFC 7541 §5.1).
    for _ in 0..3 {
        long.extend(b"\x00\x01a\x7f\xf1\x2d");
        long.extend(vec![b'x'; 6000]);
    }
    let (first, rest) = long.split_at(16_000);
    let mut part = http2_frame(HEADERS, 1, 1, first);
    part.extend(http2_frame(CONTINUATION, END_HEADERS, 1, rest));
    // The next request is served.
    part.extend(http2_frame(HEADERS, 5, 3, GET));
    let frames = flood(&server, &part, 1).waits_for(HEADERS, 2);
    let heads: Vec<_> = frames.iter().filter(|(kind, _)| *kind == HEADERS).collect();
    // `:status` 431 as a Huffman-coded literal, and 404 out of the static table (RFC 7541).
    assert!(
        heads[0].1.starts_with(b"\x48\x83\x69\x90\xff"),
        "{heads:02x?}"
    );
    assert!(heads[1].1.starts_with(b"\x8d"), "{heads:02x?}");
}

#[test]
fn frames_that_do_no_work_end_the_connection() {
    let mut server = POLYSOCK.serve(&["--app", "echo"]);
    let open = http2_frame(HEADERS, END_HEADERS, 1, &connect());
    for (kind, id, payload) in [
        (PING, 0, &[0; 8][..]),
        (SETTINGS, 0, b"\0\x04\0\0\xff\xff"),
        (WINDOW_UPDATE, 0, b"\0\0\0\x01"),
        (PRIORITY, 1, b"\0\0\0\0\x10"),
        (0xfa, 0, b"unknown"),
    ] {
        let frames = |count| http2_frame(kind, 0, id, payload).repeat(count);
        let head = http2_frame(HEADERS, 5, 3, GET);
        let part = [&open[..], &frames(9_000), &head].concat();
        let mut hostile = flood(&server, &part, 1);
        let answers = hostile.waits_for(HEADERS, 2);
        assert!(answers.iter().all(|(kind, _)| *kind != GOAWAY), "{kind}");
        assert!(hostile.send(&frames(2_000)), "{kind}");
        hostile.is_calmed();
    }
    server.log_line("closed because of a flood of useless HTTP/2 frames peer=127.0.0.1:");
}

#[test]
fn frames_that_go_with_work_are_no_flood() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let open = http2_frame(HEADERS, END_HEADERS, 1, &connect());
    // Each message is followed by a connection window update, a stream window update, and a ping.
    let message = [
        http2_frame(DATA, 0, 1, &frame(0x81, "hi")),
        http2_frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01"),
        http2_frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x01"),
        http2_frame(PING, 0, 0, &[0; 8]),
    ];
    let part = [open, message.concat().repeat(8_000)].concat();
    flood(&server, &part, 1).waits_for(PING, 8_000);
}

#[test]
fn floods_whose_answers_are_not_read_are_cut_off() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let (before, _) = server.memory();
    for (kind, payload) in [(PING, &[0; 8][..]), (SETTINGS, b"\0\x04\0\0\xff\xff")] {
        let mut client = server.connect();
        client.send(preface());
        let part = http2_frame(kind, 0, 0, payload).repeat(10_000);
        // The write fails at some point, or the socket is full.
        while client.stream().write_all(&part).is_ok() {}
        let (_, highest) = server.memory();
        let growth = highest.saturating_sub(before);
        assert!(growth < 16 * MIB, "memory grew by {growth} bytes");
    }
}

#[test]
fn empty_data_ends_the_connection() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let open = http2_frame(HEADERS, END_HEADERS, 1, &connect());
    let empty = http2_frame(0, 0, 1, b"").repeat(100_000);
    flood(&server, &[open, empty].concat(), 1).is_calmed();
}

#[test]
fn more_streams_than_may_be_open_are_refused() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let mut part = Vec::new();
    for id in streams(200) {
        part.extend(http2_frame(HEADERS, END_HEADERS, id, &connect()));
    }
    let hostile = flood(&server, &part, 1);
    let mut frames = hostile.waits_for(HEADERS, 128);
    let refused = (RST_STREAM, REFUSED_STREAM.to_be_bytes().to_vec());
    let mut missing = 72;
    while missing > 0 {
        missing -= frames.iter().filter(|frame| **frame == refused).count();
        if missing > 0 {
            frames = hostile.waits_for(RST_STREAM, 1);
        }
    }
}

#[test]
fn unread_streams_hold_no_more_than_their_windows() {
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        let (before, _) = server.memory();
        let mut sockets = Vec::new();
        // Small messages, whose bookkeeping is larger than their payload.
        let messages = frame(0x82, vec![7; 100]).repeat(1000);
        for _ in 0..5 {
            let mut socket = peer.websocket().await;
            assert!(socket.send_until_stuck(&messages).await > 64 * 1024);
            sockets.push(socket);
        }
        let (_, highest) = server.memory();
        let growth = highest.saturating_sub(before);
        assert!(growth < 16 * MIB, "memory grew by {growth} bytes");
        let mut other = peer.websocket().await;
        other.send(frame(0x81, "hi")).await;
        other.expect(b"\x81\x02hi").await;
    });
}

#[test]
fn a_stream_that_answers_no_ping_is_closed() {
    let mut server = POLYSOCK.serve(&["--app", "echo", "--ping-interval", "300ms"]);
    let mut client = server.connect();
    let open = http2_frame(HEADERS, END_HEADERS, 1, &connect());
    client.send([preface(), open].concat());
    server.log_line(" open ");
    let line = server.log_line(" close ");
    assert!(
        line.contains("code=1001 reason=\"ping was not answered\""),
        "{line}"
    );
}
