//! permessage-deflate (RFC 7692) and deflate-frame: negotiation, writing and reading.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod limits;
mod negotiation;
mod properties;
mod reading;
#[path = "../support/strategies.rs"]
mod strategies;
#[path = "../support/mod.rs"]
mod support;
mod writing;

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

/// Settings that compress every message, with context takeover.
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

/// Settings that compress every message independently.
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

/// Returns a client's request of this version, with these fields.
fn request(version: u8, fields: &str) -> BytesMut {
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n\
         {fields}\r\n"
    );
    BytesMut::from(head.as_bytes())
}

/// Returns a server's codec for a request, and the bytes of its answer.
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

/// Returns the value of `Sec-WebSocket-Extensions`; `None` if a head has none.
fn extensions(head: &[u8]) -> Option<String> {
    let head = String::from_utf8(head.to_vec()).unwrap();
    let mut values = head
        .lines()
        .filter_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    let value = values.next().map(str::to_owned);
    assert_eq!(values.next(), None, "{head}");
    value
}

/// Returns a server and a client that have negotiated this extension, the only one offered.
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

/// Turns short frames of a server into those of a client with a mask of zeros.
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

/// Checks the events that both roles decode from the frames of a server.
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

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 127];
    frame.extend((payload.len() as u64).to_be_bytes());
    frame.extend(payload);
    frame
}

/// Returns incompressible bytes.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    support::arbitrary(&mut bytes);
    bytes
}
