//! The events of a conversation, bytes and ends, in one order.

use std::time::Duration;

use bytes::Bytes;

use crate::pcap::{Conversation, Peer};

/// Bytes that one side sent, or its end.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) at: Duration,
    pub(super) from: Peer,
    /// The bytes. `None` for the end of the direction.
    pub(super) bytes: Option<Bytes>,
}

/// Returns the bytes of both sides from an offset in the client's bytes on, and the ends.
pub(super) fn events(conversation: &Conversation, begin: usize) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut passed = 0;
    for run in &conversation.runs {
        let mut bytes = run.bytes.clone();
        if run.from == Peer::Client {
            let before = begin.saturating_sub(passed).min(bytes.len());
            passed += bytes.len();
            drop(bytes.split_to(before));
        }
        // Earlier bytes of the server answered ordinary requests.
        if passed > begin && !bytes.is_empty() {
            events.push(Event {
                at: run.at,
                from: run.from,
                bytes: Some(bytes),
            });
        }
    }
    for end in &conversation.ends {
        let place = events.iter().rposition(|event| event.at <= end.at);
        let event = Event {
            at: end.at,
            from: end.by,
            bytes: None,
        };
        events.insert(place.map_or(0, |place| place + 1), event);
    }
    events
}
