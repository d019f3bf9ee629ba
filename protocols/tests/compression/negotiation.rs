//! The answers of a server, and the offers and acceptance of a client.

use super::*;

#[track_caller]
fn assert_answers(ours: Compression, fields: &str, answer: Option<&str>) {
    let (mut codec, head) = serve(request(13, fields), &compressing(ours)).unwrap();
    assert_eq!(extensions(&head).as_deref(), answer, "{fields}");
    let error = decode(&mut *codec, [&masked(&hex("c107 f248cdc9c90700"))[..]]).error;
    let declined = Some(ProtocolError::ReservedBit).filter(|_| answer.is_none());
    assert_eq!(error, declined, "{fields}");
}

#[test]
fn answers_the_first_valid_offer() {
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
        // A fallback in the same field or in another.
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
fn declines_invalid_offers() {
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
fn the_answer_contains_the_parameters_of_the_server() {
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
        // RFC 7692 §7.1.2: an answer contains neither limit if the offer has none.
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
fn compression_is_negotiated_since_hybi_07_if_enabled() {
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

/// Returns the codec of a client whose server accepts an extension with this field.
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
fn the_offer_contains_the_parameters_of_the_client() {
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
        // The client has not offered these.
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
