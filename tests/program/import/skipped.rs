//! Skipped connections and files that cannot be imported, which are reported by name.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use polysock_instrument::transcript::Fixture;
use polysock_test_support::packets::{From, Link, pcap};
use polysock_test_support::program::Input;

use super::{HEAD, Imported, connection, echo};
use crate::POLYSOCK;

#[test]
fn skipped_connections_are_counted_by_reason() {
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
fn a_handshake_that_was_cut_or_has_a_gap_is_reported() {
    let whole = echo(HEAD).packets;
    let head = (0..whole.len()).filter(|index| whole[*index].len() > 40);
    let head: Vec<usize> = head.take(3).collect();
    let mut with_gap = whole.clone();
    with_gap.remove(head[1]);
    let mut with_fragment = whole.clone();
    with_fragment[head[0]][6] = 0x20;
    let cut = "packets were cut (capture with tcpdump -s 0)";
    let missing = "packets are missing, or were fragments of IP packets";
    for (packets, snaplen, loss) in [
        (&whole, 96, cut),
        (&with_gap, usize::MAX, missing),
        (&with_fragment, usize::MAX, missing),
    ] {
        let file = pcap(Link::Ethernet, snaplen, packets);
        let imported = Imported::of("cut-head", "cut.pcap", &file, &[]);
        assert_eq!(imported.code, Some(1));
        assert!(
            imported.stderr.contains("skipped 1 connections: no "),
            "{}",
            imported.stderr
        );
        assert!(imported.stderr.contains(loss), "{}", imported.stderr);
        let run = POLYSOCK.run(&["explain", "-"], Input::Bytes(&file));
        let said = format!("{}{}", run.text(), run.stderr);
        assert_eq!(run.code, Some(2), "{said}");
        assert!(said.contains(loss), "{said}");
    }
}

#[test]
fn compressed_captures_and_stdin_are_read_alike() {
    let file = pcap(Link::Raw, usize::MAX, &echo(HEAD).packets);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&file).unwrap();
    let compressed = encoder.finish().unwrap();
    let plain = Imported::of("plain", "echo.pcap", &file, &[]);
    let zipped = Imported::of("zipped", "echo.pcap.gz", &compressed, &[]);
    let session = plain.fixture(0).transcript.steps;
    assert_eq!(zipped.fixture(0).transcript.steps, session);
    for bytes in [&file, &compressed] {
        let out = POLYSOCK.directory("import/stdin");
        let arguments = ["import", "-", "--out", out.to_str().unwrap()];
        let run = POLYSOCK.run(&arguments, Input::Bytes(bytes));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let path = out.join("stdin-001-rfc6455.wire");
        assert_eq!(run.text().trim_end(), path.to_str().unwrap());
        assert_eq!(Fixture::read(&path).unwrap().transcript.steps, session);
        let run = POLYSOCK.run(&["explain", "-"], Input::Bytes(bytes));
        assert!(run.text().contains("accepted: rfc6455"), "{}", run.text());
    }
    // A truncated archive: the part before the cut is imported.
    let half = Imported::of(
        "half-zipped",
        "echo.pcap.gz",
        &compressed[..compressed.len() - 20],
        &[],
    );
    assert!(
        half.stderr.contains("read up to the damaged part"),
        "{}",
        half.stderr
    );
}

#[test]
fn an_import_error_names_the_problem() {
    for (bytes, said) in [
        (&b"hello\n"[..], "no `var VNC_frame_data = [`"),
        (
            b"\xff\xfe",
            "neither a packet capture (pcap, pcapng) nor text",
        ),
        (
            b"var VNC_frame_data = [\n'{x{y',\n",
            "line 2: the time is not a number of milliseconds",
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
            "line 2: an element must begin with { or }",
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
