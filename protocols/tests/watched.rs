//! A watcher sees all events of a session with their bytes, and changes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use polysock_protocols::{
    CloseCode, CloseForm, Event, Message, PROTOCOLS, Role, Session, SharedMessage, Watched, Watcher,
};

use support::sessions::session;
use support::{drain, encode};

/// The reported events: a sign, a description, and the bytes.
type Log = Arc<Mutex<Vec<(char, String, Bytes)>>>;

#[derive(Debug)]
struct Notes(Log);

impl Watcher for Notes {
    fn watch(&mut self, watched: Watched<'_>, wire: Bytes) {
        let (sign, what) = match watched {
            Watched::Received(event) => ('>', format!("{event:?}")),
            Watched::Sent(event) => ('<', format!("{event:?}")),
            Watched::Failed(error) => ('!', error.to_string()),
        };
        self.0.lock().unwrap().push((sign, what, wire));
    }
}

fn watch(session: &mut Session) -> Log {
    let log = Log::default();
    session.watch(Box::new(Notes(Arc::clone(&log))));
    log
}

/// Returns the bytes of the events with this sign.
fn wire(log: &Log, sign: char) -> Vec<u8> {
    let log = log.lock().unwrap();
    let told = log.iter().filter(|(other, ..)| *other == sign);
    told.flat_map(|(_, _, wire)| wire.to_vec()).collect()
}

/// Has a session receive these bytes in segments of this size, and send the messages back.
fn echo(session: &mut Session, bytes: &[u8], cut: usize) -> (Vec<Message>, Vec<u8>) {
    let (mut src, mut received, mut sent) = (BytesMut::new(), Vec::new(), Vec::new());
    for segment in bytes.chunks(cut) {
        src.extend_from_slice(segment);
        while let Some(message) = session.receive(&mut src).unwrap() {
            received.push(message.clone());
            session.send(message).unwrap();
        }
        sent.extend(drain(session.outgoing()));
    }
    (received, sent)
}

#[test]
fn a_watcher_sees_all_events_with_their_wire_bytes() {
    for protocol in PROTOCOLS {
        for role in [Role::Server, Role::Client] {
            let name = protocol.name();
            let (_, mut peer) = session(name, role);
            let mut events = Vec::new();
            let texts = ["Hello", "", &"long ".repeat(3000)];
            for text in texts {
                events.push(Event::Data(Message::text(text).into()));
                if peer.capabilities().ping {
                    events.push(Event::Ping(Bytes::from("there?")));
                }
            }
            match peer.capabilities().close {
                CloseForm::Eof => {}
                CloseForm::Bare => events.push(Event::Close(None)),
                CloseForm::Code => events.push(Event::Close(Some(CloseCode::NORMAL.into()))),
            }
            let bytes = encode(&mut *peer, &events);
            for cut in [1, 7, 4096, bytes.len()] {
                let (mut plain, _) = session(name, role);
                let (mut watched, _) = session(name, role);
                let log = watch(&mut watched);
                let expected = echo(&mut plain, &bytes, cut);
                let (received, sent) = echo(&mut watched, &bytes, cut);
                assert_eq!(received, expected.0, "{name} {role:?} {cut}");
                assert_eq!(received.len(), texts.len());
                assert_eq!(wire(&log, '>'), bytes, "{name} {role:?} {cut}");
                assert_eq!(wire(&log, '<'), sent, "{name} {role:?} {cut}");
                if let Role::Server = role {
                    // The output of a server is not masked with random keys.
                    assert_eq!(sent, expected.1, "{name} {cut}");
                }
            }
        }
    }
}

#[test]
fn a_watcher_sees_the_bytes_of_a_protocol_error_and_the_answering_close() {
    let (mut session, _) = session("rfc6455", Role::Server);
    let log = watch(&mut session);
    let breach = b"\xf1\x80\0\0\0\0";
    assert!(session.receive(&mut BytesMut::from(&breach[..])).is_err());
    assert_eq!(wire(&log, '!'), breach);
    assert!(wire(&log, '<').starts_with(b"\x88"), "{log:?}");
}

#[test]
fn a_watcher_sees_shared_and_borrowed_messages() {
    for protocol in PROTOCOLS {
        let (mut session, _) = session(protocol.name(), Role::Server);
        let log = watch(&mut session);
        let shared = SharedMessage::new(Message::text("to all"));
        session.send_shared(&shared).unwrap();
        session.send_ref("to you".into()).unwrap();
        let seen: Vec<_> = log
            .lock()
            .unwrap()
            .iter()
            .map(|(_, what, _)| what.clone())
            .collect();
        let text = |text: &str| format!("{:?}", Event::Data(Message::text(text).into()));
        assert_eq!(
            seen,
            [text("to all"), text("to you")],
            "{}",
            protocol.name()
        );
        assert_eq!(wire(&log, '<'), drain(session.outgoing()));
    }
}

#[test]
fn a_watcher_sees_nothing_before_watch_and_after_unwatch() {
    let (mut session, mut peer) = session("rfc6455", Role::Server);
    let mut hello = || encode(&mut *peer, &[Event::Data(Message::text("Hello").into())]);
    let mut src = BytesMut::new();
    let mut receive = |session: &mut Session| {
        src.extend_from_slice(&hello());
        assert!(session.receive(&mut src).unwrap().is_some());
    };
    receive(&mut session);
    let log = watch(&mut session);
    assert!(session.writes().is_none());
    receive(&mut session);
    session.unwatch();
    assert!(session.writes().is_some());
    receive(&mut session);
    session.unwatch();
    session.close(None);
    assert_eq!(log.lock().unwrap().len(), 1);
    assert_eq!(Arc::strong_count(&log), 1, "who looked on is gone");
}
