//! The errors for invalid frames in each codec, and the handling of close codes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod support;

use polysock_protocols::Role::{Client, Server};
use polysock_protocols::{CloseCode, Event, Kind, Limits, ProtocolError, Role};
use support::{
    Decoded, Joined, Setup, assert_decodes, close, decode, encode, hex, piece, ping, text,
};

const HIXIE: &[&str] = &["hixie-75", "hixie-76"];
const MORE: &[&str] = &["hybi-01", "hybi-02", "hybi-03"];
const EARLY: &[&str] = &["hybi-04", "hybi-05"];
const OLD: &[&str] = &["hybi-04", "hybi-05", "hybi-06"];
const H06: &[&str] = &["hybi-06"];
const FINAL: &[&str] = &["hybi-07", "hybi-10", "rfc6455"];
const RFC: &[&str] = &["rfc6455"];

/// Protocols, the sender, the bytes, the events before the error, and the error.
type Row<'a> = (&'a [&'a str], Role, &'a str, Vec<Event>, ProtocolError);

fn assert_refused(limits: Limits, rows: Vec<Row<'_>>) {
    let mut setup = Setup::default();
    (setup.server.limits, setup.client.limits) = (limits, limits);
    for (names, sender, digits, events, error) in rows {
        for name in names {
            let what = format!("{name} {sender:?} {digits:.60}");
            let receiver = || Joined::with(name, &setup).ends(sender).1;
            assert_decodes(&what, receiver, &hex(digits), &events, Some(error));
        }
    }
}

#[test]
fn refuses_frames_that_break_a_rule() {
    use ProtocolError::*;
    let nothing = Vec::new;
    let begun = || vec![piece(Kind::Text, "a", false)];
    let mut rows = vec![
        (FINAL, Client, "8105 48656c6c6f", nothing(), Unmasked),
        (FINAL, Client, "8900", nothing(), Unmasked),
        (FINAL, Server, "8185 37fa213d 7f9f4d5158", nothing(), Masked),
        (FINAL, Server, "c107 f248cdc9c90700", nothing(), ReservedBit),
        (FINAL, Server, "a100", nothing(), ReservedBit),
        (FINAL, Client, "9180 00000000", nothing(), ReservedBit),
        (FINAL, Server, "827f 8000000000000000", nothing(), Length),
        (
            FINAL,
            Client,
            "82ff ffffffffffffffff 00000000",
            nothing(),
            Length,
        ),
        (FINAL, Server, "897e 007e", nothing(), ControlTooLong(126)),
        (
            FINAL,
            Client,
            "88fe 007e 00000000",
            nothing(),
            ControlTooLong(126),
        ),
        (FINAL, Server, "0900", nothing(), FragmentedControl),
        (FINAL, Client, "0880 00000000", nothing(), FragmentedControl),
        (FINAL, Server, "8000", nothing(), Continuation),
        (FINAL, Client, "0081 00000000 61", nothing(), Continuation),
        (FINAL, Server, "0101 61 8101 62", begun(), Interrupted),
        (
            FINAL,
            Client,
            "0181 00000000 61 0281 00000000 62",
            begun(),
            Interrupted,
        ),
        (
            FINAL,
            Server,
            "8101 61 8001 62",
            vec![text("a")],
            Continuation,
        ),
        (MORE, Server, "44 00", nothing(), ReservedBit),
        (MORE, Client, "04 80", nothing(), ReservedBit),
        // From a server of hybi-02, these bytes may be the framing of hixie.
        (
            &["hybi-01", "hybi-03"],
            Server,
            "00 01 61",
            nothing(),
            Continuation,
        ),
        (MORE, Client, "84 01 61 04 01 62", begun(), Interrupted),
        (MORE, Client, "82 00", nothing(), FragmentedControl),
        (MORE, Client, "02 7e 0401", nothing(), ControlTooLong(1025)),
        (MORE, Client, "06 00", nothing(), Opcode(6)),
        (MORE, Client, "05 7f 8000000000000000", nothing(), Length),
        (OLD, Server, "c4 00", nothing(), ReservedBit),
        (OLD, Server, "84 80", nothing(), ReservedBit),
        (OLD, Server, "80 00", nothing(), Continuation),
        (OLD, Server, "04 01 61 84 01 62", begun(), Interrupted),
        (OLD, Server, "02 00", nothing(), FragmentedControl),
        (OLD, Server, "86 00", nothing(), Opcode(6)),
        (OLD, Server, "85 7f 8000000000000000", nothing(), Length),
        (EARLY, Server, "82 7e 0401", nothing(), ControlTooLong(1025)),
        (H06, Server, "82 7e 007e", nothing(), ControlTooLong(126)),
        // Opcode 0 without a message, from a version 6 client with a mask of zeros.
        (H06, Client, "00000000 80 01 61", nothing(), Continuation),
    ];
    let frames: Vec<String> = (0x83..=0x87)
        .chain(0x8b..=0x8f)
        .map(|first| format!("{first:02x}00"))
        .collect();
    for (first, frame) in (3..=7).chain(0xb..=0xf).zip(&frames) {
        rows.push((FINAL, Server, frame, nothing(), Opcode(first)));
    }
    assert_refused(Limits::default(), rows);
}

#[test]
fn refuses_a_frame_over_a_limit_before_its_payload_arrives() {
    let limits = Limits {
        frame: 1000,
        discarded: 500,
        fragments: 3,
    };
    let frame = |len| ProtocolError::FrameTooLong { len, limit: 1000 };
    let discarded = ProtocolError::TooMuchDiscarded { limit: 500 };
    let fragments = ProtocolError::TooManyFragments { limit: 3 };
    let nothing = Vec::new;
    let long_sentinel = format!("01 {}", "78".repeat(501));
    // The headers of empty frames count.
    let empty_sentinels = "01 ff".repeat(251);
    let empty_frames = "80 00".repeat(251);
    let two_frames = format!("80 8248 {} fe 822d", "78".repeat(328));
    assert_refused(
        limits,
        vec![
            (HIXIE, Client, "80 8769", nothing(), frame(1001)),
            // 2^31 and 2^32 are refused at the second byte, as is an absurd length.
            (HIXIE, Client, "80 88 80 80 80 00", nothing(), frame(8 << 7)),
            (
                HIXIE,
                Server,
                "80 90 80 80 80 00",
                nothing(),
                frame(16 << 7),
            ),
            (
                HIXIE,
                Client,
                "ff ff ff ff ff ff ff ff ff ff 00",
                nothing(),
                frame(16383),
            ),
            (
                HIXIE,
                Client,
                "80 80 80 80 80 80 80 80 80 80 80 80",
                nothing(),
                frame(0),
            ),
            (HIXIE, Client, "80 8768", nothing(), discarded),
            (HIXIE, Server, "80 8375", nothing(), discarded),
            (HIXIE, Server, &long_sentinel, nothing(), discarded),
            (HIXIE, Client, &two_frames, nothing(), discarded),
            (HIXIE, Client, &empty_sentinels, nothing(), discarded),
            (HIXIE, Server, &empty_frames, nothing(), discarded),
            (MORE, Client, "05 7e 03e9", nothing(), frame(1001)),
            (OLD, Server, "85 7e 03e9", nothing(), frame(1001)),
            (FINAL, Client, "82fe 03e9 00000000", nothing(), frame(1001)),
            (
                FINAL,
                Server,
                "827f 7fffffffffffffff",
                nothing(),
                frame(u64::MAX >> 1),
            ),
            (FINAL, Server, "0100 0000 0000 0000", nothing(), fragments),
            (
                MORE,
                Client,
                "84 00 80 00 80 00 00 00",
                nothing(),
                fragments,
            ),
        ],
    );
}

#[test]
fn accepts_messages_exactly_at_a_limit() {
    let mut setup = Setup::default();
    setup.client.limits = Limits {
        frame: 5,
        fragments: 3,
        ..Limits::default()
    };
    let mut client = Joined::with("rfc6455", &setup).client;
    let decoded = decode(
        &mut *client,
        [&hex("0105 48656c6c6f 0005 48656c6c6f 8005 48656c6c6f")[..]],
    );
    assert_eq!(decoded.error, None);
    assert_eq!(decoded.events, [text("Hello".repeat(3))]);
    setup.client.limits.discarded = 8;
    let mut client = Joined::with("hixie-76", &setup).client;
    let decoded = decode(&mut *client, [&hex("80 02 0000 fe 02 0000 00 69 ff")[..]]);
    assert_eq!((decoded.events, decoded.error), (vec![text("i")], None));
}

/// The codes that a peer may send, and their meanings; `None` is an error.
#[test]
fn reads_the_close_codes_of_each_version() {
    let plain: Vec<u16> = (1000..=1003)
        .chain(1007..=1014)
        .chain([3000, 3999, 4000, 4999])
        .collect();
    let refused = [0, 999, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX];
    for name in ["hybi-06", "hybi-07", "hybi-10", "rfc6455"] {
        let opcode = if name == "hybi-06" { 0x81 } else { 0x88 };
        let read = |code: u16| {
            let [high, low] = code.to_be_bytes();
            let frame = [opcode, 4, high, low, b'o', b'k'];
            decode(&mut *Joined::new(name).client, [&frame[..]])
        };
        for code in &plain {
            assert_eq!(read(*code).events, [close(*code, "ok")], "{name}");
        }
        for code in refused {
            assert_eq!(
                read(code).error,
                Some(ProtocolError::CloseCode(code)),
                "{name}"
            );
        }
        // Called "too large" before draft 13.
        let too_large = read(1004);
        match name {
            "rfc6455" => assert_eq!(too_large.error, Some(ProtocolError::CloseCode(1004))),
            _ => assert_eq!(too_large.events, [close(1009, "ok")], "{name}"),
        }
    }
}

#[test]
fn writes_the_close_codes_of_each_version() {
    for (code, h06, h07, h10, rfc) in [
        (1000, 1000, 1000, 1000, 1000),
        (1001, 1001, 1001, 1001, 1001),
        (1002, 1002, 1002, 1002, 1002),
        (1003, 1003, 1003, 1003, 1003),
        (1007, 1002, 1002, 1007, 1007),
        (1008, 1002, 1002, 1002, 1008),
        (1009, 1004, 1004, 1004, 1009),
        (1010, 1002, 1002, 1002, 1010),
        (1011, 1001, 1001, 1001, 1011),
        (1012, 1001, 1001, 1001, 1012),
        (1013, 1001, 1001, 1001, 1013),
        (1014, 1001, 1001, 1001, 1014),
        (3000, 1000, 3000, 3000, 3000),
        (4999, 1000, 4999, 4999, 4999),
    ] {
        for (name, expected) in [
            ("hybi-06", h06),
            ("hybi-07", h07),
            ("hybi-10", h10),
            ("rfc6455", rfc),
        ] {
            let frame = encode(&mut *Joined::new(name).server, &[close(code, "ok")]);
            let written = u16::from_be_bytes([frame[2], frame[3]]);
            assert_eq!(
                (code, written, &frame[4..]),
                (code, expected, &b"ok"[..]),
                "{name}"
            );
        }
    }
}

#[test]
fn cuts_a_close_reason_that_does_not_fit() {
    for name in FINAL {
        let mut server = Joined::new(name).server;
        let reason = "é".repeat(100).into();
        let code = CloseCode::NORMAL;
        let long = Event::Close(Some(polysock_protocols::Close { code, reason }));
        assert_eq!(encode(&mut *server, &[long])[1], 124, "{name}");
    }
}

/// Invalid close frames of the drafts are accepted, except half a code in version 8.
#[test]
fn reads_broken_close_frames_as_each_version_does() {
    let ignored = || Decoded {
        events: vec![Event::Close(None)],
        error: None,
    };
    let refused = |error| Decoded {
        events: vec![],
        error: Some(error),
    };
    for (name, body, expected) in [
        ("hybi-06", "03", ignored()),
        ("hybi-07", "03", ignored()),
        ("hybi-10", "03", refused(ProtocolError::CloseLength)),
        ("rfc6455", "03", refused(ProtocolError::CloseLength)),
        ("rfc6455", "03e8 ff", refused(ProtocolError::Utf8)),
        ("rfc6455", "03e8 c3", refused(ProtocolError::Utf8)),
    ] {
        let body = hex(body);
        let opcode = if name == "hybi-06" { 0x81 } else { 0x88 };
        let frame = [&[opcode, u8::try_from(body.len()).unwrap()], &body[..]].concat();
        let decoded = decode(&mut *Joined::new(name).client, [&frame[..]]);
        assert_eq!(decoded, expected, "{name} {body:x?}");
    }
    for name in ["hybi-06", "hybi-07", "hybi-10"] {
        let opcode = if name == "hybi-06" { "81" } else { "88" };
        let frame = hex(&format!("{opcode} 03 03e8 ff"));
        let decoded = decode(&mut *Joined::new(name).client, [&frame[..]]);
        assert_eq!(decoded.events, [close(1000, "")], "{name}");
    }
}

/// A received control frame may be as long as its length byte allows; sent ones are never longer.
#[test]
fn refuses_to_encode_events_that_the_protocol_cannot_express() {
    use polysock_protocols::{EncodeError, WriteBuf};
    let long = || Event::Ping(vec![0; 126].into());
    for (name, event, error) in [
        ("rfc6455", long(), EncodeError::ControlTooLong(126)),
        ("hybi-06", long(), EncodeError::ControlTooLong(126)),
        (
            "hixie-76",
            ping(""),
            EncodeError::Unsupported {
                event: "a ping",
                protocol: "hixie-76",
            },
        ),
        (
            "hixie-75",
            support::pong(""),
            EncodeError::Unsupported {
                event: "a pong",
                protocol: "hixie-75",
            },
        ),
        (
            "hixie-76",
            support::binary("x"),
            EncodeError::Unsupported {
                event: "a binary message",
                protocol: "hixie-76",
            },
        ),
    ] {
        for end in [Server, Client] {
            let (mut codec, _) = Joined::new(name).ends(end);
            let mut dst = WriteBuf::new();
            assert_eq!(codec.encode(event.clone(), &mut dst), Err(error));
            assert!(dst.is_empty(), "{name} wrote something all the same");
        }
    }
    for name in RFC.iter().chain(EARLY) {
        encode(
            &mut *Joined::new(name).server,
            &[Event::Ping(vec![0; 125].into())],
        );
    }
}
