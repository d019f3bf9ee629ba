//! Decoding of compressed frames.

use super::*;

/// The examples of RFC 7692 §7.2.3, an empty message and one NUL.
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
        // The same without the trailing empty block.
        ("c107 f348cdc9c90700", vec![hello()]),
        ("c10d f248050000 00ffffcac9c90700", vec![hello()]),
        ("c101 00", vec![text("")]),
        // An empty payload: there is nothing to inflate.
        ("c100", vec![text("")]),
        ("c103 620000", vec![zero()]),
        // Uncompressed: RSV1 is not set.
        ("8105 48656c6c6f", vec![hello()]),
        // A ping, which is never compressed, and an empty fragment in between.
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
    // RFC 7692 §6: only the first frame of a message says whether it is compressed.
    assert_reads(MESSAGE, "4103 f248cd c004 c9c90700", &begun("He"), error);
    assert_reads(MESSAGE, "0103 48656c c002 6c6f", &begun("Hel"), error);
    assert_reads(FRAME, "4105 f248cd0100 a000", &begun("Hel"), error);
    assert_reads(FRAME, "c001 00", &[], Some(ProtocolError::Continuation));
    // No extension was negotiated.
    for name in ["hybi-07", "hybi-10", "rfc6455"] {
        let receiver = || support::Joined::new(name).client;
        assert_decodes(name, receiver, &hex("c107 f248cdc9c90700"), &[], error);
    }
}

#[test]
fn refuses_invalid_deflate_data() {
    let error = ProtocolError::Deflate;
    assert_eq!(error.close_code(), CloseCode::INVALID_DATA);
    for (extension, digits) in [
        // A reserved block type, and lengths that do not match.
        (MESSAGE, "c102 ffff"),
        (MESSAGE, "c106 000500000048"),
        (FRAME, "c102 0700"),
        // A distance beyond the available data.
        (MESSAGE, "c105 f200110000"),
        // A truncated stored block: the tail cut off the message would be read as its contents.
        (MESSAGE, "c107 000500faff4865"),
        (FRAME, "c107 000500faff4865"),
    ] {
        let (_, mut client) = joined(extension, eager(), eager());
        let decoded = decode(&mut *client, [&hex(digits)[..]]);
        assert_eq!(decoded.error, Some(error), "{extension} {digits}");
    }
}

/// Returns the compressed form of a message.
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
        // The first byte alone equals that of the block that ends every message.
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
