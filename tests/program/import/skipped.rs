//! What is left out or cannot be imported is named.

use polysock_test_support::packets::{From, Link, pcap};
use polysock_test_support::program::Input;

use super::{HEAD, Imported, connection, echo};
use crate::POLYSOCK;

#[test]
fn what_is_left_out_is_counted_by_reason() {
    let mut packets = Vec::new();
    for (port, said) in [
        (50001, &b"\x16\x03\x01\x00\x00"[..]),
        (50002, b"<policy-file-request/>\0"),
        (50003, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (50004, b"SSH-2.0-x\r\n"),
        (50005, b""),
        (50006, HEAD.as_bytes()),
    ] {
        let mut connection = connection(port);
        connection.say(From::Client, said);
        packets.extend(connection.packets);
    }
    let imported = Imported::of(
        "skipped",
        "many.pcap",
        &pcap(Link::Raw, usize::MAX, &packets),
        &[],
    );
    assert_eq!(imported.code, Some(1));
    for reason in [
        "many.pcap: no session to write",
        "1 connections: TLS",
        "1 connections: a Flash policy request",
        "2 connections: no opening handshake",
        "1 connections: no bytes of the client",
        "1 connections: no answer was captured",
    ] {
        assert!(
            imported.stderr.contains(reason),
            "{reason}: {}",
            imported.stderr
        );
    }
}

#[test]
fn what_cannot_be_imported_is_named() {
    for (bytes, said) in [
        (&b"hello\n"[..], "no `var VNC_frame_data = [`"),
        (
            b"\xff\xfe",
            "neither a packet capture (pcap, pcapng) nor text",
        ),
        (
            b"var VNC_frame_data = [\n'{x{y',\n",
            "line 2: the time is a number of milliseconds",
        ),
        (
            b"var VNC_frame_data = [\n'{1{y\n",
            "line 2: the string does not end",
        ),
        (
            b"var VNC_frame_data = [\n{1{y\n",
            "line 2: a string in quotes is expected",
        ),
        (
            b"var VNC_frame_data = [\n'1',\n",
            "line 2: an element begins with { or }",
        ),
        (b"\xd4\xc3\xb2\xa1", "the capture is empty"),
    ] {
        let imported = Imported::of("bad", "bad.pcap", bytes, &[]);
        assert_eq!(imported.code, Some(1));
        assert!(
            imported.stderr.contains(said),
            "{said}: {}",
            imported.stderr
        );
    }
    let file = pcap(Link::Raw, usize::MAX, &echo(HEAD).packets);
    let imported = Imported::of("again", "echo.pcap", &file, &[]);
    let out = imported.directory.to_str().unwrap();
    let source = imported.directory.parent().unwrap().join("echo.pcap");
    let again = POLYSOCK.run(
        &["import", source.to_str().unwrap(), "--out", out],
        Input::Open,
    );
    assert_eq!(again.code, Some(1), "a transcript is never overwritten");
    assert!(again.stderr.contains("File exists"), "{}", again.stderr);
}
