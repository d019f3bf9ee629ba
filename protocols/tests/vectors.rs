//! Published or captured frames of the HyBi drafts and RFC 6455, in both directions, cut in any
//! way.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use polysock_protocols::Role::{Client, Server};
use polysock_protocols::{Event, Kind, Role};
use support::rows::{assert_both_ways, assert_read, hel_lo, row, run};
use support::{Joined, binary, close, decode, encode, hex, piece, ping, pong, text};

const MORE: &[&str] = &["hybi-01", "hybi-02", "hybi-03"];
const OLD: &[&str] = &["hybi-04", "hybi-05", "hybi-06"];
const OLD_MASK: &[&str] = &["hybi-05", "hybi-06"];
const FINAL: &[&str] = &["hybi-07", "hybi-10", "rfc6455"];

#[test]
fn frames_of_drafts_01_to_03() {
    let both_ways = [
        row(MORE, &[Client], "04 05 48656c6c6f", vec![text("Hello")]),
        row(MORE, &[Client], "84 03 48656c 00 02 6c6f", hel_lo()),
        row(MORE, &[Client], "02 05 48656c6c6f", vec![ping("Hello")]),
        row(MORE, &[Client], "03 05 48656c6c6f", vec![pong("Hello")]),
        row(MORE, &[Client], "01 00", vec![Event::Close(None)]),
        (
            MORE,
            &[Client],
            format!("05 7e 0100 {}", run(7, 256)),
            vec![binary(vec![7; 256])],
        ),
        (
            MORE,
            &[Client],
            format!("05 7f 0000000000010000 {}", run(7, 65536)),
            vec![binary(vec![7; 65536])],
        ),
    ];
    assert_both_ways(&both_ways);
    let from_server = both_ways.map(|(_, _, digits, events)| {
        let names: &[&str] = &["hybi-01", "hybi-03"];
        let sender: &[Role] = &[Server];
        (names, sender, digits, events)
    });
    assert_both_ways(&from_server);
}

/// `Sec-WebSocket-Draft` is unreliable: the clients known to send 2 go on with `00 … FF`.
#[test]
fn servers_of_drafts_01_to_03_also_speak_hixie_framing() {
    assert_read(&[
        row(MORE, &[Client], "00 48656c6c6f ff", vec![text("Hello")]),
        row(MORE, &[Client], "00 ff 00 69 ff", vec![text(""), text("i")]),
        row(MORE, &[Client], "ff 00", vec![Event::Close(None)]),
    ]);
    for name in MORE {
        let mut server = Joined::new(name).server;
        decode(&mut *server, [&hex("00 69 ff")[..]]);
        assert_eq!(
            encode(&mut *server, &[text("i")]),
            hex("00 69 ff"),
            "{name}"
        );
    }
    for (name, speaks_first) in [
        ("hybi-01", "04 01 69"),
        ("hybi-02", "00 69 ff"),
        ("hybi-03", "04 01 69"),
    ] {
        let mut server = Joined::new(name).server;
        assert_eq!(
            encode(&mut *server, &[text("i")]),
            hex(speaks_first),
            "{name}"
        );
    }
    // If both send first, each reads what the other wrote.
    let mut both = Joined::new("hybi-02");
    let greeting = encode(&mut *both.server, &[text("welcome")]);
    let hello = encode(&mut *both.client, &[text("hello")]);
    let heard = decode(&mut *both.client, [&greeting[..]]);
    assert_eq!((heard.events, heard.error), (vec![text("welcome")], None));
    let heard = decode(&mut *both.server, [&hello[..]]);
    assert_eq!((heard.events, heard.error), (vec![text("hello")], None));
}

#[test]
fn frames_of_drafts_04_to_06() {
    let h06 = &["hybi-06"][..];
    assert_both_ways(&[
        row(OLD, &[Server], "84 05 48656c6c6f", vec![text("Hello")]),
        row(OLD, &[Server], "04 03 48656c 80 02 6c6f", hel_lo()),
        row(OLD, &[Server], "82 05 48656c6c6f", vec![ping("Hello")]),
        row(OLD, &[Server], "83 05 48656c6c6f", vec![pong("Hello")]),
        (
            OLD,
            &[Server],
            format!("85 7e 0100 {}", run(7, 256)),
            vec![binary(vec![7; 256])],
        ),
        row(&["hybi-04"], &[Server], "81 00", vec![Event::Close(None)]),
        row(
            &["hybi-05"],
            &[Server],
            "81 01 53",
            vec![Event::Close(None)],
        ),
        row(h06, &[Server], "81 00", vec![Event::Close(None)]),
        row(h06, &[Server], "81 02 03e8", vec![close(1000, "")]),
        row(
            h06,
            &[Server],
            "81 05 03e9 627965",
            vec![close(1001, "bye")],
        ),
        row(
            OLD_MASK,
            &[Client],
            "37fa213d b3ff69585b964e",
            vec![text("Hello")],
        ),
        row(
            OLD_MASK,
            &[Client],
            "37fa213d b5ff69585b964e",
            vec![ping("Hello")],
        ),
        row(h06, &[Client], "37fa213d b6f822d5", vec![close(1000, "")]),
        row(
            &["hybi-05"],
            &[Client],
            "37fa213d b6fb62",
            vec![Event::Close(None)],
        ),
        (
            OLD_MASK,
            &[Client],
            // 126 letters: four lengths of the mask for the header, then 31 and a half.
            format!("37fa213d b3842143 {} 569b", "569b405c".repeat(31)),
            vec![text(vec![b'a'; 126])],
        ),
    ]);
    assert_read(&[
        row(
            OLD_MASK,
            &[Client],
            "00000100 840549656c6c6e",
            vec![text("Hello")],
        ),
        row(
            OLD_MASK,
            &[Client],
            "00000000 840548656c6c6f",
            vec![text("Hello")],
        ),
        row(
            &["hybi-04"],
            &[Client],
            "00000001 258c2e701f22ae",
            vec![text("Hello")],
        ),
        row(
            &["hybi-04"],
            &[Client],
            "00000001 2089",
            vec![Event::Close(None)],
        ),
        row(
            &["hybi-04"],
            &[Server],
            "81 02 6869",
            vec![Event::Close(None)],
        ),
        row(&["hybi-05"], &[Server], "81 00", vec![Event::Close(None)]),
    ]);
}

/// Draft 04 masks with a key of twenty bytes that is derived from both nonces of the handshake.
#[test]
fn a_client_of_draft_04_writes_the_published_frames() {
    fn entropy(bytes: &mut [u8]) {
        match bytes {
            [_, _, _, last] => *last = 1,
            _ => support::sample_client(bytes),
        }
    }
    let joined = || {
        let mut setup = support::Setup::default();
        setup.server.entropy = support::sample_server;
        setup.client.entropy = entropy;
        Joined::with("hybi-04", &setup)
    };
    for (event, bytes) in [
        (text("Hello"), "00000001 258c2e701f22ae"),
        (Event::Close(None), "00000001 2089"),
    ] {
        assert_eq!(encode(&mut *joined().client, &[event]), hex(bytes));
    }
}

/// The arbitrary body of a close frame is echoed.
#[test]
fn echoes_the_arbitrary_body_of_a_close_frame() {
    for name in MORE {
        for sender in [Client, Server] {
            let (_, mut receiver) = Joined::new(name).ends(sender);
            decode(&mut *receiver, [&hex("01 02 6869")[..]]);
            let echo = encode(&mut *receiver, &[Event::Close(None)]);
            assert_eq!(echo, hex("01 02 6869"), "{name}");
        }
    }
}

#[test]
fn frames_of_versions_7_8_and_13() {
    let hello = "37fa213d 7f9f4d5158";
    let kib64 = |prefix: &str| format!("{prefix} {}", run(7, 65536));
    assert_both_ways(&[
        row(
            FINAL,
            &[Client],
            &format!("8185 {hello}"),
            vec![text("Hello")],
        ),
        row(
            FINAL,
            &[Client],
            &format!("8985 {hello}"),
            vec![ping("Hello")],
        ),
        row(
            FINAL,
            &[Client],
            &format!("8a85 {hello}"),
            vec![pong("Hello")],
        ),
        row(
            FINAL,
            &[Client],
            "0183 37fa213d 7f9f4d 8082 37fa213d 5b95",
            hel_lo(),
        ),
        row(FINAL, &[Client], "8180 37fa213d", vec![text("")]),
        row(
            FINAL,
            &[Client],
            "8882 37fa213d 3412",
            vec![close(1000, "")],
        ),
        row(FINAL, &[Client], "8880 37fa213d", vec![Event::Close(None)]),
        row(FINAL, &[Server], "8105 48656c6c6f", vec![text("Hello")]),
        row(FINAL, &[Server], "0103 48656c 8002 6c6f", hel_lo()),
        row(FINAL, &[Server], "8905 48656c6c6f", vec![ping("Hello")]),
        row(FINAL, &[Server], "8a05 48656c6c6f", vec![pong("Hello")]),
        row(
            FINAL,
            &[Server],
            "8805 03e8 627965",
            vec![close(1000, "bye")],
        ),
        row(FINAL, &[Server], "8800", vec![Event::Close(None)]),
        (
            FINAL,
            &[Server],
            format!("827d {}", run(7, 125)),
            vec![binary(vec![7; 125])],
        ),
        (
            FINAL,
            &[Server],
            format!("827e0100 {}", run(7, 256)),
            vec![binary(vec![7; 256])],
        ),
        (
            FINAL,
            &[Server],
            kib64("827f0000000000010000"),
            vec![binary(vec![7; 65536])],
        ),
    ]);
    assert_read(&[
        // Firefox 6 writes 65535 bytes with a length of 64 bits.
        (
            FINAL,
            &[Client],
            format!("81ff 000000000000ffff 00000000 {}", run(b'a', 65535)),
            vec![text(vec![b'a'; 65535])],
        ),
        row(FINAL, &[Server], "827e0001 07", vec![binary(vec![7])]),
        row(
            FINAL,
            &[Server],
            "827f0000000000000001 07",
            vec![binary(vec![7])],
        ),
        row(
            FINAL,
            &[Client],
            "0183 37fa213d 7f9f4d 8985 37fa213d 7f9f4d5158 8082 37fa213d 5b95",
            vec![
                piece(Kind::Text, "Hel", false),
                ping("Hello"),
                piece(Kind::Text, "lo", true),
            ],
        ),
        row(
            FINAL,
            &[Server],
            "0105 48656c6c6f 8000",
            vec![text("Hello")],
        ),
        row(
            FINAL,
            &[Server],
            "0100 0000 0005 48656c6c6f 0000 8000",
            vec![text("Hello")],
        ),
        row(FINAL, &[Server], "0100 8000", vec![text("")]),
        // Two frames of Ratchet.
        row(
            FINAL,
            &[Client],
            "818c9d0087da d565ebb6 f220d0b5 ef6ce3fb",
            vec![text("Hello World!")],
        ),
        row(
            FINAL,
            &[Client],
            "8187e74a9bb9 07f83be6 07f83b",
            vec![text("ಠ_ಠ")],
        ),
    ]);
}
