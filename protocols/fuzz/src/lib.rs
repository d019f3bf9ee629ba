//! Helpers shared by the fuzz targets. `smoke` runs all targets. The first comment of a target
//! describes its input, so that seeds can be written by hand.

pub mod pair;

use bytes::{Buf, BytesMut};
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    Accept, Codec, Compression, Context, Dial, Event, Limits, Negotiated, Negotiation, Protocol,
    ProtocolError, Role, Window, WriteBuf,
};

/// Returns a context with small limits, so that inputs reach them, and with masks of zeros, so that
/// mutated bytes are read unchanged.
pub fn context() -> Context {
    Context {
        secure: false,
        limits: Limits {
            frame: 1000,
            fragments: 8,
            discarded: 300,
        },
        compression: None,
        entropy: |bytes| bytes.fill(0),
    }
}

/// Returns the request of a client.
pub fn dial(subprotocol: Option<&'static str>) -> Dial {
    Dial {
        host: "example.com".into(),
        target: "/chat".into(),
        subprotocols: subprotocol.into_iter().map(Into::into).collect(),
        ..Dial::default()
    }
}

/// Returns the codecs of our end and of the other end of a connection.
pub fn ends(
    protocol: &'static dyn Protocol,
    ours: Role,
    subprotocol: Option<&'static str>,
) -> (Box<dyn Codec>, Box<dyn Codec>) {
    ends_with(protocol, ours, subprotocol, None, "")
}

/// The same with compression; offers that contain `withheld` are left out.
pub fn ends_with(
    protocol: &'static dyn Protocol,
    ours: Role,
    subprotocol: Option<&'static str>,
    compression: Option<Compression>,
    withheld: &str,
) -> (Box<dyn Codec>, Box<dyn Codec>) {
    let context = Context {
        compression,
        ..context()
    };
    let mut dialer = protocol.dial(&dial(subprotocol), &context).unwrap();
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    assert!(dialer.advance(&mut down, &mut up).unwrap().is_none());
    if !withheld.is_empty() {
        let head = String::from_utf8(up.to_vec()).unwrap();
        up = BytesMut::from(head.replace(withheld, "withheld").as_bytes());
    }
    let protocols = [protocol];
    let mut negotiation = Negotiation::new(&protocols, HeadLimits::default());
    let Ok(Some(Negotiated::WebSocket(recognised))) = negotiation.advance(&mut up) else {
        panic!("our own request is no handshake");
    };
    let mut opening = recognised.open(&context).unwrap();
    let accept = Accept::first_offered(&opening.request);
    let server = opening.responder.respond(&accept, &mut up, &mut down);
    let client = dialer.advance(&mut down, &mut up).unwrap().unwrap().codec;
    let server = server.unwrap().unwrap();
    match ours {
        Role::Server => (server, client),
        Role::Client => (client, server),
    }
}

/// Decodes bits 5 and 6 of a byte: the compression, and the offer to withhold. The values are no
/// compression, independent messages, context takeover, frames.
pub fn compression(byte: u8) -> (Option<Compression>, &'static str) {
    let kind = byte >> 5 & 3;
    let window = Window {
        max_bits: 9,
        context_takeover: kind > 1,
    };
    let compression = Compression {
        level: 6,
        threshold: 0,
        outgoing: window,
        incoming: window,
    };
    match kind {
        0 => (None, ""),
        3 => (Some(compression), "permessage-deflate"),
        _ => (Some(compression), ""),
    }
}

/// Decodes bit 7 of a byte as a role.
pub fn role(byte: u8) -> Role {
    if byte & 0x80 == 0 {
        Role::Server
    } else {
        Role::Client
    }
}

/// Decodes bytes in chunks of this size; adjacent pieces of a message are joined.
pub fn decode(
    codec: &mut dyn Codec,
    bytes: &[u8],
    chunk: usize,
) -> (Vec<Event>, Option<ProtocolError>) {
    let mut src = BytesMut::new();
    let mut events: Vec<Event> = Vec::new();
    for chunk in bytes.chunks(chunk.max(1)) {
        src.extend_from_slice(chunk);
        loop {
            let event = match codec.decode(&mut src) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            };
            match (events.last_mut(), event) {
                (Some(Event::Data(piece)), Event::Data(next)) if !piece.end => {
                    piece.payload = [&piece.payload[..], &next.payload].concat().into();
                    piece.end = next.end;
                }
                (_, event) => events.push(event),
            }
        }
    }
    (events, None)
}

/// Returns the bytes that a codec writes for an event.
pub fn encode(codec: &mut dyn Codec, event: Event) -> Vec<u8> {
    let mut dst = WriteBuf::new();
    codec.encode(event, &mut dst).unwrap();
    let len = dst.remaining();
    dst.copy_to_bytes(len).to_vec()
}
