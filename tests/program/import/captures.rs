//! Captures of real clients, whole and with lost packets.

use polysock_test_support::packets::{From, Link, pcap};

use super::{HEAD, Imported, answer, connection, echo, told};

/// A capture of two browsers in the chat of `polysock serve`: Chromium over RFC 6455 and PhantomJS
/// 1.9.8 over hixie-76, and the page of the first. Made with `tcpdump -i any` on one machine.
const CHAT: &[u8] = include_bytes!("../../../compat-fixtures/captures/chat.pcap");

/// Splits a little-endian pcap file into its file header and its packets, with their headers.
fn packets(file: &[u8]) -> Vec<&[u8]> {
    let (header, mut rest) = file.split_at(24);
    let mut packets = vec![header];
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[8..12].try_into().unwrap());
        let (packet, behind) = rest.split_at(16 + len as usize);
        packets.push(packet);
        rest = behind;
    }
    packets
}

#[test]
fn sessions_of_real_browsers_replay() {
    let imported = Imported::of("real", "chat.pcap", CHAT, &[]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    assert_eq!(
        imported.names(),
        ["chat-001-rfc6455.wire", "chat-002-hixie-76.wire"]
    );
    assert!(
        imported
            .stderr
            .contains("chat.pcap: skipped 1 connections: no opening handshake")
    );
    imported.assert_replays();
    let (said, seen) = told(&imported.fixture(1));
    assert!(said.starts_with(b"GET /?name=old HTTP/1.1\r\nUpgrade: WebSocket\r\n"));
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen[0], "= open hixie-76 \"/?name=old\"");
    assert_eq!(seen[3], "= text \"hello from 2014\"");
    assert_eq!(seen.last(), Some(&"= end"));
    let headers = imported.fixture(0).transcript;
    assert!(headers.header("client").unwrap().contains("HeadlessChrome"));
    assert_eq!(headers.header("source"), Some("packet capture chat.pcap"));
    assert_eq!(headers.header("app"), Some("script"));
}

#[test]
fn captures_with_repeated_or_reordered_packets_import_alike() {
    let whole = Imported::of("whole", "chat.pcap", CHAT, &[]);
    let all = packets(CHAT);
    let (header, records) = all.split_first().unwrap();
    let doubled: Vec<&[u8]> = records
        .iter()
        .flat_map(|record| [*record, *record])
        .collect();
    let swapped: Vec<&[u8]> = records
        .chunks(2)
        .flat_map(|two| two.iter().rev().copied())
        .collect();
    let turned: Vec<&[u8]> = records
        .chunks(7)
        .flat_map(|some| some.iter().rev().copied())
        .collect();
    for (what, records) in [
        ("doubled", doubled),
        ("swapped", swapped),
        ("turned", turned),
    ] {
        let file = [&[*header][..], &records].concat().concat();
        let imported = Imported::of(what, "chat.pcap", &file, &[]);
        imported.assert_replays();
        assert_eq!(imported.files.len(), whole.files.len(), "{what}");
        let mut found: Vec<_> = (0..2).map(|index| told(&imported.fixture(index))).collect();
        let mut wanted: Vec<_> = (0..2).map(|index| told(&whole.fixture(index))).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{what}");
    }
}

#[test]
fn a_truncated_capture_replays() {
    let whole = Imported::of("left", "chat.pcap", CHAT, &[]);
    let said: Vec<Vec<u8>> = (0..2).map(|index| told(&whole.fixture(index)).0).collect();
    for tenth in 3..10 {
        let half = &CHAT[..CHAT.len() * tenth / 10];
        let imported = Imported::of("half", "chat.pcap", half, &[]);
        if imported.files.is_empty() {
            assert_eq!(imported.code, Some(1), "{}", imported.stderr);
            continue;
        }
        imported.assert_replays();
        for index in 0..imported.files.len() {
            let found = told(&imported.fixture(index)).0;
            let is_part = said.iter().any(|said| said.starts_with(&found));
            assert!(is_part && !found.is_empty(), "{tenth}");
        }
    }
    assert!(
        Imported::of("half", "chat.pcap", &CHAT[..CHAT.len() / 2], &[])
            .stderr
            .contains("read up to the damaged part")
    );
}

#[test]
fn a_lost_packet_ends_the_session_and_is_noted() {
    let echo = echo(HEAD);
    // The second segment of the client's second message is missing.
    let frame = echo
        .packets
        .iter()
        .position(|packet| packet.ends_with(b"\x82\x83\0\0\0"))
        .unwrap();
    let mut packets = echo.packets.clone();
    packets.remove(frame + 1);
    let imported = Imported::of(
        "lost",
        "lost.pcap",
        &pcap(Link::Vlan, usize::MAX, &packets),
        &[],
    );
    assert_eq!(imported.names(), ["lost-001-rfc6455.wire"]);
    imported.assert_replays();
    let fixture = imported.fixture(0);
    let note = fixture.transcript.header("note").unwrap();
    assert!(
        note.contains("bytes of the client are missing after its first"),
        "{note}"
    );
    assert_eq!(
        told(&fixture).1,
        ["= open rfc6455 \"/chat\"", "= text \"hi\""]
    );
}

#[test]
fn bytes_without_a_captured_answer_are_left_out() {
    let echo = echo(HEAD);
    let answered = echo
        .packets
        .iter()
        .position(|packet| packet.ends_with(b"\x81\x02hi"))
        .unwrap();
    let file = pcap(Link::Ethernet, usize::MAX, &echo.packets[..answered + 3]);
    let imported = Imported::of("unanswered", "cut.pcap", &file, &[]);
    imported.assert_replays();
    let fixture = imported.fixture(0);
    let note = fixture.transcript.header("note").unwrap();
    assert!(note.contains("the last 4 bytes are left out"), "{note}");
    assert_eq!(told(&fixture).1.last().unwrap(), "= text \"hi\"");
}

#[test]
fn a_partial_answer_is_no_answer() {
    let mut connection = connection(50000);
    connection.say(From::Client, HEAD.as_bytes());
    connection.say_in(From::Server, &answer(HEAD), 100);
    for (left, said) in [(5, "no answer was captured"), (6, "")] {
        let file = pcap(Link::Raw, usize::MAX, &connection.packets[..left]);
        let imported = Imported::of("half-answer", "half.pcap", &file, &[]);
        assert_eq!(imported.files.is_empty(), !said.is_empty());
        assert!(imported.stderr.contains(said), "{}", imported.stderr);
    }
    let hixie = "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: a\r\n\
         Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U";
    let answer = answer(hixie);
    let mut connection = self::connection(50000);
    connection.say(From::Client, hixie.as_bytes());
    connection.say(From::Server, &answer[..answer.len() - 1]);
    let file = pcap(Link::Raw, usize::MAX, &connection.packets);
    let imported = Imported::of("half-digest", "half.pcap", &file, &[]);
    assert!(
        imported
            .stderr
            .contains("the answer was captured only in part"),
        "{}",
        imported.stderr
    );
}
