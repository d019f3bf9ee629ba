//! The cost of a message and of a handshake in each protocol: `cargo bench -p polysock-protocols`.
//!
//! Times are for comparing two builds on one machine on one day. `benches/instructions` counts
//! instructions, to detect regressions.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::ops::ControlFlow;

use bytes::{Buf, BytesMut};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    Codec, MessageRef, Negotiation, PROTOCOLS, Role, Session, SessionConfig, WriteBuf,
};
use support::{Joined, context, open};

/// The number of consecutive messages in a buffer.
const BURST: usize = 16;

const SIZES: &[usize] = &[16, 64, 1024, 16 * 1024];

fn main() {
    divan::main();
}

fn names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|protocol| protocol.name())
}

/// Returns the bytes of a burst of texts, and the codec that reads them.
fn burst(name: &str, from: Role, size: usize) -> (BytesMut, Box<dyn Codec>) {
    let (mut from, to) = Joined::new(name).settled().ends(from);
    let mut dst = WriteBuf::new();
    for _ in 0..BURST {
        let text = support::text("x".repeat(size));
        from.encode(text, &mut dst).unwrap();
    }
    let wire = dst.copy_to_bytes(dst.remaining());
    (BytesMut::from(&wire[..]), to)
}

/// Measures a server that receives a burst from its client, including unmasking.
#[divan::bench(args = names(), consts = SIZES)]
fn receive<const SIZE: usize>(bencher: Bencher<'_, '_>, name: &str) {
    take(bencher, name, SIZE, |session, src| {
        while let Some(message) = session.receive(src).unwrap() {
            black_box(message);
        }
    });
}

/// The same, with short messages borrowed.
#[divan::bench(args = names(), consts = SIZES)]
fn borrow<const SIZE: usize>(bencher: Bencher<'_, '_>, name: &str) {
    take(bencher, name, SIZE, |session, src| {
        let borrowed = session.receive_borrowed(src, |message, _| {
            black_box(message);
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(borrowed.unwrap(), None);
        while let Some(message) = session.receive(src).unwrap() {
            black_box(message);
        }
    });
}

fn take(bencher: Bencher<'_, '_>, name: &str, size: usize, take: fn(&mut Session, &mut BytesMut)) {
    let (wire, codec) = burst(name, Role::Client, size);
    let mut session = Session::new(codec, SessionConfig::default());
    bencher
        .counter(ItemsCount::new(BURST))
        .counter(BytesCount::new(wire.len()))
        .with_inputs(|| wire.clone())
        .bench_local_values(|mut src| take(&mut session, &mut src));
}

fn send(bencher: Bencher<'_, '_>, name: &str, from: Role, size: usize) {
    let (from, _) = Joined::new(name).settled().ends(from);
    let mut session = Session::new(from, SessionConfig::default());
    let text = "x".repeat(size);
    bencher
        .counter(ItemsCount::new(BURST))
        .counter(BytesCount::new(BURST * size))
        .bench_local(|| {
            for _ in 0..BURST {
                session.send_ref(MessageRef::Text(&text)).unwrap();
            }
            let outgoing = session.outgoing();
            outgoing.advance(outgoing.remaining());
        });
}

/// Measures a server that sends a burst.
#[divan::bench(args = names(), consts = SIZES)]
fn server_sends<const SIZE: usize>(bencher: Bencher<'_, '_>, name: &str) {
    send(bencher, name, Role::Server, SIZE);
}

/// Measures a client that sends a burst, including masking.
#[divan::bench(args = names(), consts = SIZES)]
fn client_sends<const SIZE: usize>(bencher: Bencher<'_, '_>, name: &str) {
    send(bencher, name, Role::Client, SIZE);
}

/// Measures the recognition of a head among all protocols, and its validation.
#[divan::bench(args = names())]
fn negotiate(bencher: Bencher<'_, '_>, name: &str) {
    let request = Joined::new(name).request_bytes;
    bencher
        .with_inputs(|| BytesMut::from(&request[..]))
        .bench_local_values(|mut src| {
            let mut negotiation = Negotiation::new(PROTOCOLS, HeadLimits::default());
            open(&mut negotiation, &mut src, &context()).unwrap()
        });
}
