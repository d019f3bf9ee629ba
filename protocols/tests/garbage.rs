//! No input of a peer causes a panic or unbounded memory, and no result depends on how it is cut.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "support/strategies.rs"]
mod strategies;
mod support;

use bytes::BytesMut;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    Accept, BinaryOverText, Limits, Message, Negotiation, PROTOCOLS, Protocol, Role, Session,
    SessionConfig,
};
use proptest::collection::vec;
use proptest::prelude::*;
use strategies::{chunks, connection, ending, events, mutate, mutations, sends};
use support::{
    Joined, Setup, context, cut, decode, drain, encode, open, sample_client, sample_server,
};

/// The most output if nobody reads, in bytes: pongs up to the limit, one longest pong more, and a
/// close.
const MAX_OUTGOING: usize = 4096 + 1024 + 14 + 125 + 14;

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Returns a setup with small limits and known masks, so that mutations hit their targets.
fn small(protocol: &dyn Protocol, base64: bool) -> Setup {
    let mut setup = Setup::default();
    let limits = Limits {
        frame: 500,
        fragments: 8,
        discarded: 300,
    };
    (setup.server.limits, setup.client.limits) = (limits, limits);
    if base64 {
        setup.dial.subprotocols = vec!["base64".into()];
        setup.binary_over_text = BinaryOverText::Base64;
    }
    // Draft 04 derives its masks from the nonces of both sides; the others work with masks of
    // zeros.
    if protocol.name() == "hybi-04" {
        (setup.server.entropy, setup.client.entropy) = (sample_server, sample_client);
    } else {
        setup.client.entropy = |bytes| bytes.fill(0);
    }
    setup
}

fn has_pings((protocol, _): &(&'static dyn Protocol, Role)) -> bool {
    protocol.capabilities().ping
}

/// Returns bytes that a peer might send: mutated valid ones, or noise.
fn garbage(valid: &[u8], noise: &[u8], changes: &[strategies::Mutation]) -> Vec<u8> {
    mutate([valid, noise].concat(), changes)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_codec_decodes_any_bytes_alike_however_they_are_cut(
        (protocol, sender) in connection(),
        (sends, end) in sends(),
        changes in mutations(),
        noise in vec(any::<u8>(), 0..100),
        sizes in chunks(),
    ) {
        let setup = small(protocol, false);
        let joined = || Joined::with(protocol.name(), &setup).settled().ends(sender);
        let (mut from, mut to) = joined();
        let mut sent = events(protocol, &sends);
        sent.push(ending(protocol, end.as_ref()).0);
        let bytes = garbage(&encode(&mut *from, &sent), &noise, &changes);
        let whole = decode(&mut *to, [&bytes[..]]);
        let (_, mut to) = joined();
        prop_assert_eq!(decode(&mut *to, cut(&bytes, &sizes)), whole);
    }

    #[test]
    fn a_session_takes_any_bytes_and_stays_within_its_limits(
        (protocol, sender) in connection(),
        (sends, end) in sends(),
        base64 in any::<bool>(),
        in_pieces in any::<bool>(),
        changes in mutations(),
        noise in vec(any::<u8>(), 0..100),
        sizes in chunks(),
    ) {
        let setup = small(protocol, base64);
        let (mut from, to) = Joined::with(protocol.name(), &setup).settled().ends(sender);
        let mut sent = events(protocol, &sends);
        sent.push(ending(protocol, end.as_ref()).0);
        let bytes = garbage(&encode(&mut *from, &sent), &noise, &changes);
        let max_message = 200;
        let config = SessionConfig { max_message, ..SessionConfig::default() };
        let mut session = Session::new(to, config);
        let mut src = BytesMut::new();
        'chunks: for chunk in cut(&bytes, &sizes) {
            src.extend_from_slice(chunk);
            loop {
                let received = if in_pieces {
                    let piece = session.receive_piece(&mut src, 0);
                    piece.map(|piece| piece.map(|piece| piece.payload.len()))
                } else {
                    let message = session.receive(&mut src);
                    message.map(|message| message.map(|message| message.as_bytes().len()))
                };
                prop_assert!(session.outgoing().len() <= MAX_OUTGOING);
                match received {
                    Ok(Some(len)) => prop_assert!(len as u64 <= max_message),
                    Ok(None) => break,
                    Err(error) => {
                        let closed = session.closed().unwrap();
                        prop_assert_eq!(closed.close.as_ref().unwrap().code, error.close_code());
                        break 'chunks;
                    }
                }
            }
        }
        session.receive_eof();
        prop_assert!(session.closed().is_some());
        prop_assert!(session.send(Message::from("late")).is_err());
        drain(session.outgoing());
    }

    #[test]
    fn pings_that_flood_cost_a_bounded_buffer(
        (protocol, sender) in connection().prop_filter("has pings", has_pings),
        payload in vec(any::<u8>(), 0..=125),
        count in 1..500usize,
    ) {
        let (mut from, to) = Joined::new(protocol.name()).settled().ends(sender);
        let ping = polysock_protocols::Event::Ping(payload.clone().into());
        let mut src = BytesMut::from(&encode(&mut *from, &vec![ping; count])[..]);
        let mut session = Session::new(to, SessionConfig::default());
        prop_assert_eq!(session.receive(&mut src), Ok(None));
        prop_assert!(session.outgoing().len() <= MAX_OUTGOING);
        let first = drain(session.outgoing());
        let newest = drain(session.outgoing());
        let pongs = decode(&mut *from, [&first[..], &newest[..]]).events;
        prop_assert!(!pongs.is_empty() && pongs.len() <= count);
        prop_assert!(drain(session.outgoing()).is_empty());
    }

    #[test]
    fn any_request_bytes_cause_no_panic_and_only_4xx_errors(
        (protocol, _) in connection(),
        changes in mutations(),
        noise in vec(any::<u8>(), 0..30),
        sizes in chunks(),
        only_noise in prop::bool::weighted(0.1),
    ) {
        let request = Joined::sample(protocol.name()).request_bytes;
        let valid = if only_noise { Vec::new() } else { request };
        let bytes = garbage(&valid, &noise, &changes);
        let mut negotiation = Negotiation::new(PROTOCOLS, HeadLimits::default());
        let (mut src, mut dst) = (BytesMut::new(), BytesMut::new());
        let (mut opening, mut codec) = (None, None);
        for chunk in cut(&bytes, &sizes) {
            src.extend_from_slice(chunk);
            if opening.is_none() {
                match open(&mut negotiation, &mut src, &context()) {
                    Ok(Some(Some(new))) => opening = Some(new),
                    Ok(Some(None)) => break,
                    Ok(None) => {}
                    Err(error) => {
                        prop_assert!((400..500).contains(&error.status()), "{}", error);
                        break;
                    }
                }
            }
            if let (Some(opening), None) = (&mut opening, &codec) {
                let accept = Accept::first_offered(&opening.request);
                codec = opening.responder.respond(&accept, &mut src, &mut dst).unwrap();
            }
            if let Some(codec) = &mut codec {
                while let Ok(Some(_)) = codec.decode(&mut src) {}
            }
        }
    }

    #[test]
    fn any_answer_bytes_cause_no_panic(
        (protocol, _) in connection(),
        changes in mutations(),
        noise in vec(any::<u8>(), 0..30),
        sizes in chunks(),
        only_noise in prop::bool::weighted(0.1),
    ) {
        let setup = Setup::default();
        let mut client = setup.client;
        client.entropy = sample_client;
        let answer = Joined::sample(protocol.name()).response_bytes;
        let valid = if only_noise { Vec::new() } else { answer };
        let bytes = garbage(&valid, &noise, &changes);
        let mut dialer = protocol.dial(&setup.dial, &client).unwrap();
        let (mut src, mut dst) = (BytesMut::new(), BytesMut::new());
        prop_assert!(dialer.advance(&mut src, &mut dst).unwrap().is_none());
        let mut codec = None;
        for chunk in cut(&bytes, &sizes) {
            src.extend_from_slice(chunk);
            if codec.is_none() {
                match dialer.advance(&mut src, &mut dst) {
                    Ok(dialled) => codec = dialled.map(|dialled| dialled.codec),
                    Err(_) => break,
                }
            }
            if let Some(codec) = &mut codec {
                while let Ok(Some(_)) = codec.decode(&mut src) {}
            }
        }
    }
}

/// The mutations above start from valid bytes: an unchanged handshake is accepted.
#[test]
fn an_unchanged_handshake_is_accepted() {
    for protocol in PROTOCOLS {
        let (mut from, mut to) =
            Joined::with(protocol.name(), &small(*protocol, true)).ends(Role::Client);
        let bytes = encode(&mut *from, &[support::text("a")]);
        assert_eq!(
            decode(&mut *to, [&bytes[..]]).events,
            [support::binary("a")]
        );
    }
}
