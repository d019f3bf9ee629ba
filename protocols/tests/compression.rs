//! permessage-deflate (RFC 7692) and deflate-frame: what is agreed on, what is written and read.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "support/strategies.rs"]
mod strategies;
mod support;

use bytes::{Buf, BytesMut};
use flate2::{Compress, FlushCompress};
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    Accept, CloseCode, Codec, Compression, Context, Dial, DialError, Event, HandshakeError, Kind,
    Limits, Message, Negotiation, ProtocolError, Role, Session, SessionConfig, SharedMessage,
    Window,
};
use proptest::prelude::*;
use proptest::sample::select;
use strategies::{chunks, events, mutate, mutations, sends};
use support::{
    assert_decodes, binary, context, cut, decode, drain, encode, hex, merge, open, ping, protocol,
    text,
};

const MESSAGE: &str = "permessage-deflate";
const FRAME: &str = "x-webkit-deflate-frame";

/// Everything is compressed, and refers to what came before.
fn eager() -> Compression {
    let window = Window {
        max_bits: 15,
        context_takeover: true,
    };
    Compression {
        level: 6,
        threshold: 0,
        outgoing: window,
        incoming: window,
    }
}

/// Everything is compressed, each message by itself.
fn by_itself() -> Compression {
    Compression {
        outgoing: Window::default(),
        incoming: Window::default(),
        ..eager()
    }
}

fn compressing(compression: Compression) -> Context {
    Context {
        compression: Some(compression),
        ..context()
    }
}

/// A client's request in a version, with these fields.
fn request(version: u8, fields: &str) -> BytesMut {
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n\
         {fields}\r\n"
    );
    BytesMut::from(head.as_bytes())
}

/// What a server makes of a request: its codec, and the extensions of its answer.
fn serve(
    mut src: BytesMut,
    context: &Context,
) -> Result<(Box<dyn Codec>, BytesMut), HandshakeError> {
    let protocols = ["hybi-04", "hybi-06", "hybi-07", "hybi-10", "rfc6455"].map(protocol);
    let mut negotiation = Negotiation::new(&protocols, HeadLimits::default());
    let negotiated = open(&mut negotiation, &mut src, context)?;
    let mut opening = negotiated.flatten().expect("a handshake");
    let mut dst = BytesMut::new();
    let accept = Accept::default();
    let codec = opening.responder.respond(&accept, &mut src, &mut dst)?;
    Ok((codec.unwrap(), dst))
}

/// The value of `Sec-WebSocket-Extensions`, where a head has one.
fn extensions(head: &[u8]) -> Option<String> {
    let head = String::from_utf8(head.to_vec()).unwrap();
    let mut values = head
        .lines()
        .filter_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    let value = values.next().map(str::to_owned);
    assert_eq!(values.next(), None, "{head}");
    value
}

/// A server and a client that have agreed on this extension, which the client offers alone.
fn joined(
    extension: &str,
    server: Compression,
    client: Compression,
) -> (Box<dyn Codec>, Box<dyn Codec>) {
    let dial = Dial {
        host: "a".into(),
        ..Dial::default()
    };
    let rfc6455 = protocol("rfc6455");
    let mut dialer = rfc6455.dial(&dial, &compressing(client)).unwrap();
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    assert!(dialer.advance(&mut down, &mut up).unwrap().is_none());
    let all = extensions(&up).unwrap();
    let (message, frame) = all.rsplit_once(", ").unwrap();
    let offer = if extension == MESSAGE { message } else { frame };
    assert!(offer.starts_with(extension), "{all}");
    let head = String::from_utf8(up.to_vec()).unwrap();
    let up = BytesMut::from(head.replace(&all, offer).as_bytes());
    let (server, mut down) = serve(up, &compressing(server)).unwrap();
    let client = dialer.advance(&mut down, &mut BytesMut::new()).unwrap();
    (server, client.unwrap().codec)
}

/// The frames of a server, as a client would send them with a mask of zeros. They are short.
fn masked(mut frames: &[u8]) -> Vec<u8> {
    let mut masked = Vec::new();
    while let [first, len, rest @ ..] = frames {
        let (payload, rest) = rest.split_at(usize::from(*len));
        masked.extend([*first, 0x80 | len, 0, 0, 0, 0]);
        masked.extend(payload);
        frames = rest;
    }
    masked
}

/// Checks what both roles make of frames that a server sends.
fn assert_reads(extension: &str, digits: &str, events: &[Event], error: Option<ProtocolError>) {
    let receiver = |role| {
        move || match (joined(extension, eager(), eager()), role) {
            ((server, _), Role::Server) => server,
            ((_, client), Role::Client) => client,
        }
    };
    let bytes = hex(digits);
    let what = format!("{extension} {digits}");
    assert_decodes(&what, receiver(Role::Client), &bytes, events, error);
    let bytes = masked(&bytes);
    assert_decodes(&what, receiver(Role::Server), &bytes, events, error);
}

/// RFC 7692 §7.2.3, with an empty message and one NUL beside.
#[test]
fn reads_the_published_messages() {
    let hello = || text("Hello");
    let zero = || text("\0");
    for (digits, events) in [
        ("c107 f248cdc9c90700", vec![hello()]),
        ("4103 f248cd 8004 c9c90700", vec![hello()]),
        (
            "c107 f248cdc9c90700 c107 f248cdc9c90700",
            vec![hello(), hello()],
        ),
        (
            "c107 f248cdc9c90700 c105 f200110000",
            vec![hello(), hello()],
        ),
        ("c10b 000500faff48656c6c6f00", vec![hello()]),
        ("c108 f348cdc9c9070000", vec![hello()]),
        // The same without the block behind the last one.
        ("c107 f348cdc9c90700", vec![hello()]),
        ("c10d f248050000 00ffffcac9c90700", vec![hello()]),
        ("c101 00", vec![text("")]),
        // No octet at all: there is nothing to inflate.
        ("c100", vec![text("")]),
        ("c103 620000", vec![zero()]),
        // As it is: RSV1 says so.
        ("8105 48656c6c6f", vec![hello()]),
        // A ping, which is never compressed, and an empty fragment between.
        (
            "4103 f248cd 8900 0000 8004 c9c90700",
            vec![
                support::piece(Kind::Text, "He", false),
                ping(""),
                support::piece(Kind::Text, "llo", true),
            ],
        ),
    ] {
        assert_reads(MESSAGE, digits, &events, None);
    }
}

#[test]
fn reads_compressed_frames() {
    let hello = || text("Hello");
    for (digits, events) in [
        ("c107 f248cdc9c90700", vec![hello()]),
        // RSV1 in both, in the first, in the second.
        ("4105 f248cd0100 c004 cac90700", vec![hello()]),
        ("4105 f248cd0100 8002 6c6f", vec![hello()]),
        ("0103 48656c c004 cac90700", vec![hello()]),
        (
            "c107 f248cdc9c90700 c105 f200110000",
            vec![hello(), hello()],
        ),
        ("c108 f348cdc9c9070000", vec![hello()]),
        ("8100", vec![text("")]),
        ("c100", vec![text("")]),
        (
            "4105 f248cd0100 4000 8900 8002 6c6f",
            vec![
                support::piece(Kind::Text, "Hel", false),
                ping(""),
                support::piece(Kind::Text, "lo", true),
            ],
        ),
    ] {
        // An empty frame inside a message is a continuation.
        let digits = digits.replace("4000", "0000");
        assert_reads(FRAME, &digits, &events, None);
    }
}

#[test]
fn refuses_reserved_bits_without_a_meaning() {
    let error = Some(ProtocolError::ReservedBit);
    let begun = |text: &'static str| vec![support::piece(Kind::Text, text, false)];
    for digits in [
        "c900",
        "ca00",
        "c802 03e8",
        "a100",
        "9100",
        "e101 00",
        "c300",
    ] {
        assert_reads(MESSAGE, digits, &[], error);
        assert_reads(FRAME, digits, &[], error);
    }
    // RFC 7692 §6: only the first frame of a message says how it is.
    assert_reads(MESSAGE, "4103 f248cd c004 c9c90700", &begun("He"), error);
    assert_reads(MESSAGE, "0103 48656c c002 6c6f", &begun("Hel"), error);
    assert_reads(FRAME, "4105 f248cd0100 a000", &begun("Hel"), error);
    assert_reads(FRAME, "c001 00", &[], Some(ProtocolError::Continuation));
    // Nothing was agreed on.
    for name in ["hybi-07", "hybi-10", "rfc6455"] {
        let receiver = || support::Joined::new(name).client;
        assert_decodes(name, receiver, &hex("c107 f248cdc9c90700"), &[], error);
    }
}

#[test]
fn refuses_what_is_no_deflate() {
    let error = ProtocolError::Deflate;
    assert_eq!(error.close_code(), CloseCode::INVALID_DATA);
    for (extension, digits) in [
        // A type of block that there is not, and lengths that do not fit together.
        (MESSAGE, "c102 ffff"),
        (MESSAGE, "c106 000500000048"),
        (FRAME, "c102 0700"),
        // Further back than there is anything.
        (MESSAGE, "c105 f200110000"),
        // A stored block that ends in the middle: what is cut off a message would be taken for it.
        (MESSAGE, "c107 000500faff4865"),
        (FRAME, "c107 000500faff4865"),
    ] {
        let (_, mut client) = joined(extension, eager(), eager());
        let decoded = decode(&mut *client, [&hex(digits)[..]]);
        assert_eq!(decoded.error, Some(error), "{extension} {digits}");
    }
}

/// The compressed form of a message.
fn deflated(level: u32, message: &[u8]) -> Vec<u8> {
    let mut stream = Compress::new(flate2::Compression::new(level), false);
    let mut deflated = Vec::with_capacity(message.len() * 2 + 64);
    let flush = FlushCompress::Sync;
    stream.compress_vec(message, &mut deflated, flush).unwrap();
    deflated.truncate(deflated.len() - 4);
    deflated
}

#[test]
fn refuses_a_message_that_ends_within_a_block() {
    let words: String = (0..400).map(|number| format!("{} ", number * 7)).collect();
    for (what, level, message, shortest) in [
        // Its first byte alone is that of the block which ends every message.
        ("stored", 0, &noise(300)[..], 2),
        ("with fixed codes", 6, b"Hello", 1),
        ("with codes of its own", 6, words.as_bytes(), 1),
    ] {
        let whole = deflated(level, message);
        for (extension, compression) in
            [(MESSAGE, eager()), (MESSAGE, by_itself()), (FRAME, eager())]
        {
            for len in shortest..=whole.len() {
                let (_, mut client) = joined(extension, compression, compression);
                let decoded = decode(&mut *client, [&frame(0xc2, &whole[..len])[..]]);
                let expected = (len < whole.len()).then_some(ProtocolError::Deflate);
                let place = format!("{extension}: a block {what}, {len} of {}", whole.len());
                assert_eq!(decoded.error, expected, "{place}");
            }
        }
    }
}

#[test]
fn writes_the_published_messages() {
    for (extension, events, digits) in [
        (MESSAGE, vec![text("Hello")], "c107 f248cdc9c90700"),
        (
            MESSAGE,
            vec![text("Hello"), text("Hello")],
            "c107 f248cdc9c90700 c105 f200110000",
        ),
        (MESSAGE, vec![text("")], "c101 00"),
        (FRAME, vec![text("Hello")], "c107 f248cdc9c90700"),
        (FRAME, vec![text("")], "8100"),
        // A piece can be read as soon as it is there.
        (
            MESSAGE,
            support::rows::hel_lo(),
            "4109 f248cd010000 00ffff 8004 cac90700",
        ),
        (
            FRAME,
            support::rows::hel_lo(),
            "4105 f248cd0100 c004 cac90700",
        ),
        (MESSAGE, vec![ping("Hello")], "8905 48656c6c6f"),
    ] {
        let (mut server, _) = joined(extension, eager(), eager());
        let written = encode(&mut *server, &events);
        assert_eq!(written, hex(digits), "{extension} {digits}");
        assert_reads(extension, digits, &merge(events), None);
    }
}

#[test]
fn leaves_alone_what_does_not_shrink_or_is_short() {
    for extension in [MESSAGE, FRAME] {
        let (mut server, _) = joined(extension, by_itself(), by_itself());
        assert_eq!(encode(&mut *server, &[text("Hello")])[0], 0x81);
        assert_eq!(encode(&mut *server, &[text("x".repeat(50))])[0], 0xc1);
        let threshold = Compression {
            threshold: 51,
            ..eager()
        };
        let (mut server, mut client) = joined(extension, threshold, threshold);
        for codec in [&mut server, &mut client] {
            assert_eq!(encode(&mut **codec, &[text("x".repeat(50))])[0], 0x81);
            assert_eq!(encode(&mut **codec, &[text("x".repeat(51))])[0], 0xc1);
            let both = [text("x".repeat(51)), text("x".repeat(50))];
            let written = encode(&mut **codec, &both);
            assert_eq!(written[0], 0xc1);
            assert_eq!(
                written[written.len() - 50 - if written[1] & 0x80 == 0 { 2 } else { 6 }],
                0x81
            );
        }
    }
}

// What a server answers.

#[track_caller]
fn assert_answers(ours: Compression, fields: &str, answer: Option<&str>) {
    let (mut codec, head) = serve(request(13, fields), &compressing(ours)).unwrap();
    assert_eq!(extensions(&head).as_deref(), answer, "{fields}");
    let error = decode(&mut *codec, [&masked(&hex("c107 f248cdc9c90700"))[..]]).error;
    let declined = Some(ProtocolError::ReservedBit).filter(|_| answer.is_none());
    assert_eq!(error, declined, "{fields}");
}

#[test]
fn answers_the_first_offer_that_makes_sense() {
    for (offer, answer) in [
        ("permessage-deflate", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate",
        ),
        (
            "permessage-deflate; client_max_window_bits=10",
            "permessage-deflate",
        ),
        (
            "permessage-deflate;server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=15",
        ),
        (
            "permessage-deflate;server_max_window_bits = \"10\"",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=8",
        ),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            "\tpermessage-deflate\t;\tclient_no_context_takeover ",
            "permessage-deflate; client_no_context_takeover",
        ),
        // A fallback, on the same line or another.
        (
            "permessage-deflate; server_max_window_bits=7, permessage-deflate",
            "permessage-deflate",
        ),
        (
            "permessage-deflate; new, permessage-deflate; server_no_context_takeover, permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            "permessage-deflate; x=1\r\nSec-WebSocket-Extensions: permessage-deflate",
            "permessage-deflate",
        ),
        ("foo; bar, permessage-deflate, baz", "permessage-deflate"),
        // Chrome 32.
        (
            "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame",
            "permessage-deflate",
        ),
        (
            "x-webkit-deflate-frame, permessage-deflate",
            "permessage-deflate",
        ),
        ("permessage-deflate; x, deflate-frame", "deflate-frame"),
        ("x-webkit-deflate-frame", "x-webkit-deflate-frame"),
        (
            "deflate-frame; max_window_bits=8; no_context_takeover; new=1",
            "deflate-frame",
        ),
        (
            "deflate-frame; max_window_bits=16, x-webkit-deflate-frame",
            "x-webkit-deflate-frame",
        ),
    ] {
        let field = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        assert_answers(eager(), &field, Some(answer));
    }
}

#[test]
fn declines_what_makes_no_sense() {
    for offer in [
        "",
        "deflate-stream",
        "x-deflate-frame",
        "deflate-application-data",
        "Permessage-Deflate",
        "permessage-deflate-2",
        "permessage-deflate; x",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover=\"\"",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; max_window_bits=10",
        "x-webkit-deflate-frame; max_window_bits",
        "x-webkit-deflate-frame; max_window_bits=7",
        "x-webkit-deflate-frame; max_window_bits=9; max_window_bits=9",
        "x-webkit-deflate-frame; no_context_takeover=1",
    ] {
        let field = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        assert_answers(eager(), &field, None);
    }
    assert_answers(eager(), "", None);
}

#[test]
fn answers_with_what_it_wants_itself() {
    let narrow = Compression {
        outgoing: Window {
            max_bits: 12,
            ..Window::default()
        },
        incoming: Window {
            max_bits: 11,
            ..Window::default()
        },
        ..eager()
    };
    let fresh = "server_no_context_takeover; client_no_context_takeover";
    for (offer, answer) in [
        // RFC 7692 §7.1.2: neither limit is in an answer where the offer has none.
        ("", String::new()),
        (
            "; server_max_window_bits=15; client_max_window_bits",
            "; server_max_window_bits=12; client_max_window_bits=11".into(),
        ),
        (
            "; server_max_window_bits=9; client_max_window_bits=10",
            "; server_max_window_bits=9".into(),
        ),
        (
            "; client_max_window_bits=12",
            "; client_max_window_bits=11".into(),
        ),
    ] {
        let field = format!("Sec-WebSocket-Extensions: permessage-deflate{offer}\r\n");
        let answer = format!("permessage-deflate; {fresh}{answer}");
        assert_answers(narrow, &field, Some(&answer));
    }
    let field = "Sec-WebSocket-Extensions: deflate-frame\r\n";
    let answer = "deflate-frame; max_window_bits=11; no_context_takeover";
    assert_answers(narrow, field, Some(answer));
}

#[test]
fn is_spoken_since_hybi_07_and_where_it_is_wanted() {
    let field = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    for (version, answers) in [(4, false), (6, false), (7, true), (8, true), (13, true)] {
        let (_, head) = serve(request(version, field), &compressing(eager())).unwrap();
        assert_eq!(extensions(&head).is_some(), answers, "{version}");
        let (_, head) = serve(request(version, field), &context()).unwrap();
        assert_eq!(extensions(&head), None, "{version}");
    }
}

#[test]
fn refuses_a_syntax_error_whether_it_compresses_or_not() {
    let field = "Sec-WebSocket-Extensions: permessage-deflate, a b\r\n";
    for context in [context(), compressing(eager())] {
        let refused = serve(request(13, field), &context);
        assert_eq!(refused.map(|_| ()), Err(HandshakeError::Extensions));
    }
}

// What a client offers and accepts.

/// What a client says to a server that accepts an extension in these words.
fn dial(ours: Option<Compression>, answer: &str) -> Result<Box<dyn Codec>, DialError> {
    let context = Context {
        compression: ours,
        ..context()
    };
    let mut dialer = protocol("rfc6455")
        .dial(&Dial::default(), &context)
        .unwrap();
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    assert!(dialer.advance(&mut down, &mut up).unwrap().is_none());
    let key = String::from_utf8(up.to_vec()).unwrap();
    let key = key
        .lines()
        .find(|line| line.starts_with("Sec-WebSocket-Key: "));
    let fields = format!("{}\r\n", key.unwrap());
    let head = request(13, "");
    let head = String::from_utf8(head.to_vec()).unwrap();
    let head = head.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", &fields);
    let (_, down_head) = serve(BytesMut::from(head.as_bytes()), &support::context()).unwrap();
    let down_head = String::from_utf8(down_head.to_vec()).unwrap();
    let end = format!("\r\n{answer}\r\n");
    down.extend(down_head.replace("\r\n\r\n", &end).as_bytes());
    let dialled = dialer.advance(&mut down, &mut up)?;
    Ok(dialled.unwrap().codec)
}

#[test]
fn offers_what_it_wants() {
    let offered = |ours| {
        let context = compressing(ours);
        let mut dialer = protocol("rfc6455")
            .dial(&Dial::default(), &context)
            .unwrap();
        let mut up = BytesMut::new();
        dialer.advance(&mut BytesMut::new(), &mut up).unwrap();
        extensions(&up).unwrap()
    };
    assert_eq!(
        offered(eager()),
        "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"
    );
    let window = Window {
        max_bits: 10,
        context_takeover: false,
    };
    let narrow = Compression {
        outgoing: window,
        incoming: window,
        ..eager()
    };
    assert_eq!(
        offered(narrow),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=10; client_max_window_bits=10, x-webkit-deflate-frame"
    );
}

#[test]
fn accepts_an_answer_that_fits_its_offer() {
    let ours = Compression {
        incoming: Window {
            max_bits: 12,
            context_takeover: true,
        },
        ..eager()
    };
    for answer in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=\"9\"",
        "x-webkit-deflate-frame",
        "x-webkit-deflate-frame; max_window_bits=8; no_context_takeover",
    ] {
        let field = format!("Sec-WebSocket-Extensions: {answer}\r\n");
        let mut codec = dial(Some(ours), &field).unwrap();
        let read = decode(&mut *codec, [&hex("c107 f248cdc9c90700")[..]]);
        assert_eq!(read.events, [text("Hello")], "{answer}");
        assert_eq!(encode(&mut *codec, &[text("x".repeat(100))])[0], 0xc1);
    }
    for nothing in ["", "Sec-WebSocket-Extensions: \r\n"] {
        let mut codec = dial(Some(ours), nothing).unwrap();
        assert_eq!(encode(&mut *codec, &[text("x".repeat(100))])[0], 0x81);
    }
}

#[test]
fn fails_where_an_answer_does_not_fit_its_offer() {
    let ours = Compression {
        incoming: Window {
            max_bits: 12,
            context_takeover: true,
        },
        ..eager()
    };
    for answer in [
        "permessage-deflate; x",
        "permessage-deflate; server_max_window_bits=13",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate, x-webkit-deflate-frame",
        "permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate",
        "x-webkit-deflate-frame; max_window_bits=16",
        "x-webkit-deflate-frame; x",
        // Not offered.
        "deflate-frame",
        "deflate-stream",
        "foo",
        ";",
    ] {
        let field = format!("Sec-WebSocket-Extensions: {answer}\r\n");
        let failed = dial(Some(ours), &field).map(|_| ());
        let error = DialError::Answer("Sec-WebSocket-Extensions");
        assert_eq!(failed, Err(error), "{answer}");
    }
    let field = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    assert!(dial(None, field).is_err(), "it was not offered");
}

// Limits.

/// What inflates to so many zeros.
fn bomb(len: usize) -> Vec<u8> {
    let mut stream = Compress::new(flate2::Compression::best(), false);
    let zeros = vec![0; 1 << 20];
    let mut bomb = Vec::new();
    for _ in 0..len >> 20 {
        let before = stream.total_in();
        let mut from = 0;
        while from < zeros.len() {
            bomb.reserve(64 << 10);
            let flush = FlushCompress::None;
            stream
                .compress_vec(&zeros[from..], &mut bomb, flush)
                .unwrap();
            from = usize::try_from(stream.total_in() - before).unwrap();
        }
    }
    bomb.reserve(64 << 10);
    stream
        .compress_vec(&[], &mut bomb, FlushCompress::Sync)
        .unwrap();
    bomb.truncate(bomb.len() - 4);
    bomb
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 127];
    frame.extend((payload.len() as u64).to_be_bytes());
    frame.extend(payload);
    frame
}

#[test]
fn inflates_in_pieces_however_much_there_is() {
    const LEN: usize = 256 << 20;
    let bomb = bomb(LEN);
    assert!(bomb.len() < LEN / 1000);
    let (first, second) = bomb.split_at(bomb.len() / 2);
    let in_two = [frame(0x42, first), frame(0x80, second)].concat();
    for (extension, wire) in [
        (MESSAGE, frame(0xc2, &bomb)),
        (MESSAGE, in_two),
        (FRAME, frame(0xc2, &bomb)),
    ] {
        let (_, mut client) = joined(extension, eager(), eager());
        let mut src = BytesMut::from(&wire[..]);
        let (mut len, mut ended) = (0, false);
        while let Some(event) = client.decode(&mut src).unwrap() {
            let Event::Data(piece) = event else {
                panic!("{event:?}");
            };
            assert!(piece.payload.len() <= 64 << 10, "{}", piece.payload.len());
            assert!(!ended);
            (len, ended) = (len + piece.payload.len(), piece.end);
        }
        assert!(ended && len == LEN, "{extension}: {len}");
    }
}

#[test]
fn counts_what_comes_out_against_the_limit() {
    let bomb = bomb(64 << 20);
    for extension in [MESSAGE, FRAME] {
        for (max_message, passes) in [(64 << 20, true), ((64 << 20) - 1, false), (1000, false)] {
            let (_, client) = joined(extension, eager(), eager());
            let config = SessionConfig {
                max_message,
                ..SessionConfig::default()
            };
            let mut session = Session::new(client, config);
            let mut src = BytesMut::from(&frame(0xc2, &bomb)[..]);
            let received = session.receive(&mut src);
            if passes {
                assert_eq!(received.unwrap().unwrap().as_bytes().len(), 64 << 20);
                continue;
            }
            let error = ProtocolError::MessageTooLong { limit: max_message };
            assert_eq!(received, Err(error));
            let close = session.closed().and_then(|closed| closed.close.as_ref());
            assert_eq!(close.unwrap().code, CloseCode::TOO_BIG);
        }
    }
    // The limit of a frame is of what is on the wire.
    let mut context = compressing(eager());
    context.limits = Limits {
        frame: 6,
        ..Limits::default()
    };
    let field = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let (mut server, _) = serve(request(13, field), &context).unwrap();
    let error = decode(&mut *server, [&masked(&hex("c107 f248cdc9c90700"))[..]]).error;
    let too_long = ProtocolError::FrameTooLong { len: 7, limit: 6 };
    assert_eq!(error, Some(too_long));
}

/// Bytes that do not shrink.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    support::arbitrary(&mut bytes);
    bytes
}

#[test]
fn looks_no_further_back_than_was_agreed() {
    for bits in 8..=15usize {
        for (extension, offer) in [
            (MESSAGE, format!("{MESSAGE}; server_max_window_bits={bits}")),
            (FRAME, format!("{FRAME}; max_window_bits={bits}")),
        ] {
            for level in 1..=9 {
                let ours = Compression { level, ..eager() };
                let field = format!("Sec-WebSocket-Extensions: {offer}\r\n");
                let len = |bytes: Vec<u8>| {
                    let (mut server, _) = serve(request(13, &field), &compressing(ours)).unwrap();
                    encode(&mut *server, &[binary(bytes)]).len()
                };
                // What the same 200 bytes cost at a distance, less than any others would.
                let saved = |distance: usize| {
                    // Of 64 values, or else their code costs more than what is saved.
                    let symbols = |len| noise(len).into_iter().map(|byte| byte & 0x3f);
                    let mut bytes: Vec<u8> = symbols(distance).collect();
                    let others: Vec<u8> = bytes.iter().copied().chain(symbols(200)).collect();
                    bytes.extend_from_within(..200);
                    len(others).saturating_sub(len(bytes))
                };
                let near = (1usize << bits).saturating_sub(280).max(240);
                let what = format!("{extension} {bits} bits, level {level}");
                assert!(saved(near) > 90, "{what}: {near} is near enough");
                assert!(saved((1 << bits) + 1) < 50, "{what}");
            }
        }
    }
}

#[test]
fn is_compressed_once_for_all_that_compress_alike() {
    let message = SharedMessage::new(Message::text("x".repeat(500_000)));
    let noise = SharedMessage::new(Message::binary(noise(5000)));
    let other = Compression {
        level: 9,
        ..by_itself()
    };
    let place = |extension, ours: Compression, message: &SharedMessage| {
        let config = SessionConfig::default();
        let mut session = Session::new(joined(extension, ours, eager()).0, config);
        session.send_shared(message).unwrap();
        let outgoing = session.outgoing();
        let (place, first) = (outgoing.chunk().as_ptr(), outgoing.chunk()[0]);
        (place, first, session)
    };
    // What goes out is shorter than what is shared by reference, so look at the noise, which is
    // sent as it is, in the form that was first asked for.
    let alike = [
        place(MESSAGE, by_itself(), &noise),
        place(FRAME, by_itself(), &noise),
        place(MESSAGE, by_itself(), &noise),
    ];
    assert!(
        alike
            .iter()
            .all(|(place, first, _)| (*place, *first) == (alike[0].0, 0x82))
    );
    let apart = place(MESSAGE, other, &noise);
    assert_ne!(apart.0, alike[0].0);
    for extension in [MESSAGE, FRAME] {
        for ours in [by_itself(), other, eager()] {
            let mut sharing =
                Session::new(joined(extension, ours, eager()).0, SessionConfig::default());
            let mut alone = joined(extension, ours, eager()).0;
            for _ in 0..3 {
                sharing.send_shared(&message).unwrap();
                let expected = encode(&mut *alone, &[text("x".repeat(500_000))]);
                assert_eq!(drain(sharing.outgoing()), expected);
            }
        }
    }
    // One that may refer to what came before has a form of its own.
    let (server, _) = joined(MESSAGE, eager(), eager());
    assert_eq!(server.wire_form(Kind::Text), None);
    let forms = [MESSAGE, FRAME].map(|extension| {
        joined(extension, by_itself(), eager())
            .0
            .wire_form(Kind::Text)
    });
    assert!(forms[0].is_some() && forms[0] == forms[1]);
    let plain = support::Joined::new("rfc6455").server.wire_form(Kind::Text);
    assert_ne!(forms[0], plain);
}

// Whatever comes.

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn window() -> impl Strategy<Value = Window> {
    (9..=15u8, any::<bool>()).prop_map(|(max_bits, context_takeover)| Window {
        max_bits,
        context_takeover,
    })
}

fn compression() -> impl Strategy<Value = Compression> {
    let threshold = select(&[0, 1, 20, 1000][..]);
    (1..=9u8, threshold, window(), window()).prop_map(|(level, threshold, outgoing, incoming)| {
        Compression {
            level,
            threshold,
            outgoing,
            incoming,
        }
    })
}

proptest! {
    #![proptest_config(config())]

    /// What one end sends, the other reads, with any settings of the two and however it is cut.
    #[test]
    fn what_is_sent_is_read(
        extension in select(&[MESSAGE, FRAME][..]),
        (server, client) in (compression(), compression()),
        to_client in any::<bool>(),
        (sent, _) in sends(),
        again in 1..3usize,
        sizes in chunks(),
    ) {
        let (server, client) = joined(extension, server, client);
        let (mut from, mut to) = if to_client { (server, client) } else { (client, server) };
        let once = events(protocol("rfc6455"), &sent);
        let events: Vec<_> = std::iter::repeat_n(once, again).flatten().collect();
        let bytes = encode(&mut *from, &events);
        let decoded = decode(&mut *to, cut(&bytes, &sizes));
        prop_assert_eq!(decoded.error, None);
        prop_assert_eq!(decoded.events, merge(events));
    }

    /// What is broken on the way is read alike however it is cut, and breaks nothing.
    #[test]
    fn what_is_broken_is_read_alike(
        extension in select(&[MESSAGE, FRAME][..]),
        compression in compression(),
        (sent, _) in sends(),
        mutations in mutations(),
        sizes in chunks(),
    ) {
        let events = events(protocol("rfc6455"), &sent);
        let (mut server, mut client) = joined(extension, compression, compression);
        let bytes = mutate(encode(&mut *server, &events), &mutations);
        let whole = decode(&mut *client, [&bytes[..]]);
        let (_, mut client) = joined(extension, compression, compression);
        let in_chunks = decode(&mut *client, cut(&bytes, &sizes));
        prop_assert_eq!(whole.error, in_chunks.error);
        if whole.error.is_none() {
            prop_assert_eq!(whole.events, in_chunks.events);
        }
    }

    /// Bytes that are no DEFLATE at all.
    #[test]
    fn what_is_garbage_is_read_alike(
        extension in select(&[MESSAGE, FRAME][..]),
        garbage in proptest::collection::vec(any::<u8>(), 0..300),
        sizes in chunks(),
    ) {
        let wire = frame(0xc2, &garbage);
        let (_, mut client) = joined(extension, eager(), eager());
        let whole = decode(&mut *client, [&wire[..]]);
        let (_, mut client) = joined(extension, eager(), eager());
        let in_chunks = decode(&mut *client, cut(&wire, &sizes));
        prop_assert_eq!(whole.error, in_chunks.error);
    }
}
