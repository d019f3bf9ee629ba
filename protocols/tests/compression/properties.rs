//! Properties for arbitrary data.

use super::*;

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

    /// Each end reads what the other sends, with any settings and however it is cut.
    #[test]
    fn compressed_messages_are_read_as_sent(
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

    /// Mutated data is read alike however it is cut, and causes no panic.
    #[test]
    fn mutated_frames_decode_alike_however_they_are_cut(
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

    /// Bytes that are not DEFLATE.
    #[test]
    fn invalid_deflate_data_decodes_alike_however_it_is_cut(
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
