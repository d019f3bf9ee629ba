//! Encoding of compressed frames.

use super::*;

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
        // A piece is flushed, so that it can be read immediately.
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
fn sends_short_or_incompressible_messages_uncompressed() {
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

#[test]
fn the_compressor_respects_the_agreed_window() {
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
                // The bytes saved by a repetition of 200 bytes at a distance, compared with other
                // bytes.
                let saved = |distance: usize| {
                    // Only 64 symbols: otherwise their code costs more than the repetition saves.
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
fn a_shared_message_is_compressed_once_for_equal_settings() {
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
    // Compressed output is too short to be shared by reference. So compare the noise, which is sent
    // uncompressed, in the form that was requested first.
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
    // With context takeover there is no shared form.
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
