//! Comparison of the frame codec with `tungstenite`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "support/strategies.rs"]
mod strategies;
mod support;

use std::io::{self, Read, Write};

use bytes::BytesMut;
use polysock_protocols::{Close, CloseCode, Event, Limits, Message, Role, Session, SessionConfig};
use proptest::prelude::*;
use proptest::sample::select;
use strategies::{chunks, ending, events, mutate, mutations, sends};
use support::{Joined, Setup, cut, decode, encode, merge, protocol};
use tungstenite::protocol::frame::coding::{CloseCode as TheirCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message as TheirMessage};

const MAX_FRAME: usize = 1 << 20;

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A stream that yields received chunks and records written bytes.
#[derive(Default)]
struct Pipe {
    chunks: Vec<Vec<u8>>,
    written: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(chunk) = self.chunks.first_mut() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let count = chunk.len().min(buf.len());
        buf[..count].copy_from_slice(&chunk[..count]);
        chunk.drain(..count);
        if chunk.is_empty() {
            self.chunks.remove(0);
        }
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns tungstenite's end of a connection, which reads these bytes.
fn theirs(role: Role, bytes: &[u8], sizes: &[usize]) -> WebSocket<Pipe> {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let chunks = cut(bytes, sizes).into_iter().map(<[u8]>::to_vec).collect();
    let pipe = Pipe {
        chunks,
        ..Pipe::default()
    };
    let config = WebSocketConfig::default().max_frame_size(Some(MAX_FRAME));
    WebSocket::from_raw_socket(pipe, role, Some(config))
}

fn other(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// Joins the pieces of each message; a message takes the position of its last piece.
fn whole(events: Vec<Event>) -> Vec<Event> {
    let (mut messages, mut begun) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Data(piece) => {
                let end = piece.end;
                begun.push(Event::Data(piece));
                if end {
                    messages.extend(merge(std::mem::take(&mut begun)));
                }
            }
            event => messages.push(event),
        }
    }
    messages
}

fn close_of(frame: &CloseFrame) -> Close {
    let code = CloseCode::new(frame.code.into()).unwrap();
    Close::new(code, frame.reason.as_str())
}

/// Returns everything that tungstenite reads, and the error that ended it.
fn read_by_them(socket: &mut WebSocket<Pipe>) -> (Vec<Event>, Option<Error>) {
    let mut events = Vec::new();
    loop {
        events.push(match socket.read() {
            Ok(TheirMessage::Text(text)) => support::text(text.as_bytes().to_vec()),
            Ok(TheirMessage::Binary(bytes)) => support::binary(bytes),
            Ok(TheirMessage::Ping(payload)) => Event::Ping(payload),
            Ok(TheirMessage::Pong(payload)) => Event::Pong(payload),
            Ok(TheirMessage::Close(close)) => {
                events.push(Event::Close(close.as_ref().map(close_of)));
                return (events, None);
            }
            Ok(TheirMessage::Frame(_)) => unreachable!("a frame is not read"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (events, None);
            }
            Err(error) => return (events, Some(error)),
        });
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn tungstenite_reads_what_we_write(
        sender in select(&[Role::Server, Role::Client][..]),
        (sends, end) in sends(),
        sizes in chunks(),
    ) {
        let rfc6455 = protocol("rfc6455");
        let (mut ours, _) = Joined::new("rfc6455").ends(sender);
        let mut sent = events(rfc6455, &sends);
        // tungstenite does not know 1014, which was registered later.
        let end = end.map(|(code, reason)| (if code == 1014 { 1013 } else { code }, reason));
        sent.push(ending(rfc6455, end.as_ref()).0);
        let bytes = encode(&mut *ours, &sent);
        let (read, error) = read_by_them(&mut theirs(other(sender), &bytes, &sizes));
        prop_assert!(error.is_none(), "{:?}", error);
        prop_assert_eq!(read, whole(sent));
    }

    #[test]
    fn we_read_what_tungstenite_writes(
        sender in select(&[Role::Server, Role::Client][..]),
        (sends, end) in sends(),
        sizes in chunks(),
    ) {
        let rfc6455 = protocol("rfc6455");
        let (_, mut ours) = Joined::new("rfc6455").ends(sender);
        let mut sent = events(rfc6455, &sends);
        sent.push(ending(rfc6455, end.as_ref()).0);
        let mut socket = theirs(sender, &[], &[1]);
        let mut begun = false;
        for event in sent.clone() {
            let message = match event {
                Event::Data(piece) => {
                    let data = match (begun, piece.kind) {
                        (true, _) => Data::Continue,
                        (false, polysock_protocols::Kind::Text) => Data::Text,
                        (false, polysock_protocols::Kind::Binary) => Data::Binary,
                    };
                    begun = !piece.end;
                    let opcode = OpCode::Data(data);
                    TheirMessage::Frame(Frame::message(piece.payload, opcode, piece.end))
                }
                Event::Ping(payload) => TheirMessage::Ping(payload),
                Event::Pong(payload) => TheirMessage::Pong(payload),
                Event::Close(close) => TheirMessage::Close(close.map(|close| CloseFrame {
                    code: TheirCode::from(close.code.get()),
                    reason: (*close.reason).into(),
                })),
            };
            socket.send(message).unwrap();
        }
        let written = std::mem::take(&mut socket.get_mut().written);
        let decoded = decode(&mut *ours, cut(&written, &sizes));
        prop_assert_eq!(decoded.error, None);
        prop_assert_eq!(decoded.events, merge(sent));
    }

    /// Both refuse the same input, after the same messages. They differ in these cases, as
    /// intended:
    ///
    /// - We refuse a frame by its header and text at its first wrong byte; tungstenite waits for
    ///   the end of the frame.
    /// - tungstenite answers a close with a code that may not be sent by 1002, without an error.
    /// - tungstenite does not know close code 1014.
    #[test]
    fn tungstenite_refuses_what_we_refuse(
        sender in select(&[Role::Server, Role::Client][..]),
        (sends, end) in sends(),
        changes in mutations(),
        sizes in chunks(),
    ) {
        let rfc6455 = protocol("rfc6455");
        let mut setup = Setup::default();
        let limits = Limits { frame: MAX_FRAME as u64, ..Limits::default() };
        (setup.server.limits, setup.client.limits) = (limits, limits);
        setup.client.entropy = |bytes| bytes.fill(0);
        let (mut from, to) = Joined::with("rfc6455", &setup).ends(sender);
        let mut sent = events(rfc6455, &sends);
        sent.push(ending(rfc6455, end.as_ref()).0);
        let bytes = mutate(encode(&mut *from, &sent), &changes);

        let mut session = Session::new(to, SessionConfig::default());
        let (mut src, mut ours, mut our_error) = (BytesMut::from(&bytes[..]), Vec::new(), None);
        loop {
            match session.receive(&mut src) {
                Ok(Some(Message::Text(text))) => ours.push(support::text(text.into_bytes())),
                Ok(Some(Message::Binary(bytes))) => ours.push(support::binary(bytes)),
                Ok(None) => break,
                Err(error) => {
                    our_error = Some(error);
                    break;
                }
            }
        }
        let (read, their_error) = read_by_them(&mut theirs(other(sender), &bytes, &sizes));
        let (read, control): (Vec<_>, Vec<_>) =
            read.into_iter().partition(|event| matches!(event, Event::Data(_)));
        let their_close = control.into_iter().find_map(|event| match event {
            Event::Close(close) => Some(close),
            _ => None,
        });
        prop_assert_eq!(ours, read);
        let our_close = session.closed().map(|closed| closed.close.clone());
        let violation = their_close.as_ref().is_some_and(|close| {
            close.as_ref().is_some_and(|close| close.reason == "Protocol violation")
        });
        match (our_error, their_error) {
            (Some(_), Some(_)) => {}
            (None, None) if violation => {
                prop_assert_eq!(our_close.unwrap().unwrap().code, CloseCode::BAD_GATEWAY);
            }
            (None, None) => prop_assert_eq!(our_close, their_close),
            (Some(error), None) => prop_assert!(violation || their_close.is_none(), "{}", error),
            (None, Some(error)) => prop_assert!(false, "only they refuse: {}", error),
        }
    }
}
