//! Limits on compressed data.

use super::*;

/// Returns data that inflates to this many zeros.
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

#[test]
fn inflates_a_large_message_in_pieces() {
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
fn counts_inflated_bytes_against_the_limit() {
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
    // The frame limit applies to the bytes on the wire.
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
