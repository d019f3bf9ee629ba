//! Generators for the property tests.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use bytes::Bytes;
use polysock_protocols::{CloseForm, Event, Kind, PROTOCOLS, Protocol, Role};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::{close, merge, piece};

/// Generates a protocol and the role of the sender.
pub(crate) fn connection() -> impl Strategy<Value = (&'static dyn Protocol, Role)> {
    (select(PROTOCOLS), select(&[Role::Server, Role::Client][..]))
}

/// Generates the sizes of chunks, used cyclically.
pub(crate) fn chunks() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![1..8usize, 1..300usize, Just(usize::MAX)];
    vec(size, 1..6)
}

/// A message or control frame to send, independent of the protocol.
#[derive(Clone, Debug)]
pub(crate) enum Send {
    Text(String),
    Binary(Vec<u8>),
    /// A text (or binary message if the flag is false), cut at these positions, with a ping after
    /// each piece but the last.
    Pieces(String, Vec<Index>, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

/// Generates the output of one side of a connection, and its close.
pub(crate) fn sends() -> impl Strategy<Value = (Vec<Send>, Option<(u16, String)>)> {
    let long = (0..3u8, 0..70_000usize);
    let control = || vec(any::<u8>(), 0..=125);
    let send = prop_oneof![
        4 => any::<String>().prop_map(Send::Text),
        2 => vec(any::<u8>(), 0..300).prop_map(Send::Binary),
        1 => long.prop_map(|(byte, len)| Send::Binary(vec![byte; len])),
        3 => (any::<String>(), vec(any::<Index>(), 0..5), any::<bool>())
            .prop_map(|(text, cuts, is_text)| Send::Pieces(text, cuts, is_text)),
        2 => control().prop_map(Send::Ping),
        1 => control().prop_map(Send::Pong),
    ];
    let code = prop_oneof![1000..1004u16, 1007..1015u16, 3000..5000u16];
    let reason = "\\PC{0,30}";
    (vec(send, 0..8), proptest::option::of((code, reason)))
}

/// Returns the events among these that the protocol can carry.
pub(crate) fn events(protocol: &dyn Protocol, sends: &[Send]) -> Vec<Event> {
    let capabilities = protocol.capabilities();
    let mut events = Vec::new();
    for send in sends {
        match send {
            Send::Text(text) => events.push(piece(Kind::Text, text.clone(), true)),
            Send::Binary(_) if !capabilities.binary => {}
            Send::Binary(bytes) => events.push(piece(Kind::Binary, bytes.clone(), true)),
            Send::Pieces(text, cuts, is_text) => {
                let kind = if *is_text || !capabilities.binary {
                    Kind::Text
                } else {
                    Kind::Binary
                };
                let bytes = Bytes::copy_from_slice(text.as_bytes());
                let mut places: Vec<_> =
                    cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
                places.sort_unstable();
                let mut from = 0;
                for to in places {
                    events.push(piece(kind, bytes.slice(from..to), false));
                    if capabilities.ping {
                        events.push(Event::Ping(Bytes::from_static(b"between")));
                    }
                    from = to;
                }
                events.push(piece(kind, bytes.slice(from..), true));
            }
            Send::Ping(_) | Send::Pong(_) if !capabilities.ping => {}
            Send::Ping(payload) => events.push(Event::Ping(payload.clone().into())),
            Send::Pong(payload) => events.push(Event::Pong(payload.clone().into())),
        }
    }
    events
}

/// Returns the close that is sent, and the event that the peer reads.
pub(crate) fn ending(
    protocol: &dyn Protocol,
    end: Option<&(u16, String)>,
) -> (Event, Option<Event>) {
    let bare = Event::Close(None);
    let Some((code, reason)) = end else {
        let read = (protocol.capabilities().close != CloseForm::Eof).then_some(Event::Close(None));
        return (bare, read);
    };
    let sent = close(*code, reason);
    // The drafts' handling of codes unknown to them is tested in a table.
    let known = match protocol.version() {
        Some(13) => true,
        Some(7 | 8) => matches!(code, 1000..=1003 | 3000..),
        _ => matches!(code, 1000..=1003),
    };
    match protocol.capabilities().close {
        CloseForm::Eof => (sent, None),
        CloseForm::Bare => (sent, Some(bare)),
        CloseForm::Code if known => (sent.clone(), Some(sent)),
        CloseForm::Code => (close(1000, reason), Some(close(1000, reason))),
    }
}

/// Returns the messages, all binary as in the subprotocol `base64`, and the control events. The
/// position of a control frame within a message is lost: base64 comes in groups.
pub(crate) fn as_base64(events: Vec<Event>) -> (Vec<Event>, Vec<Event>) {
    let (data, control): (Vec<_>, Vec<_>) = events
        .into_iter()
        .partition(|event| matches!(event, Event::Data(_)));
    let binary = data.into_iter().map(|event| match event {
        Event::Data(data) => piece(Kind::Binary, data.payload, data.end),
        event => event,
    });
    (merge(binary.collect()), control)
}

/// A change to some bytes.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
}

pub(crate) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let mutation = prop_oneof![
        4 => (any::<Index>(), 1..=255u8).prop_map(|(at, mask)| Mutation::Flip(at, mask)),
        1 => (any::<Index>(), vec(any::<u8>(), 1..20))
            .prop_map(|(at, new)| Mutation::Insert(at, new)),
        1 => (any::<Index>(), 1..20usize).prop_map(|(at, len)| Mutation::Remove(at, len)),
        1 => (any::<Index>(), 1..20usize).prop_map(|(at, len)| Mutation::Repeat(at, len)),
    ];
    vec(mutation, 0..6)
}

pub(crate) fn mutate(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        let (Mutation::Flip(at, _)
        | Mutation::Insert(at, _)
        | Mutation::Remove(at, _)
        | Mutation::Repeat(at, _)) = mutation;
        let at = at.index(bytes.len());
        let up_to = |len: usize| at..(at + len).min(bytes.len());
        match mutation {
            Mutation::Flip(_, mask) => bytes[at] ^= mask,
            Mutation::Insert(_, new) => drop(bytes.splice(at..at, new.iter().copied())),
            Mutation::Remove(_, len) => drop(bytes.drain(up_to(*len))),
            Mutation::Repeat(_, len) => {
                let again = bytes[up_to(*len)].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
    }
    bytes
}
