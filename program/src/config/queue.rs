//! The queue of messages for a slow client.

use polysock::{Overflow, Queue};

use super::form::Choice;
use super::key::Key;
use super::words::{bytes, count};

/// The keys of a queue.
pub(super) fn keys() -> Vec<Key<Queue>> {
    vec![
        Key::new(
            "messages",
            count(),
            |queue: &mut Queue| &mut queue.messages,
            "The most messages that wait for a client.",
        ),
        Key::new(
            "bytes",
            bytes(),
            |queue| &mut queue.bytes,
            "The most bytes that wait for it.",
        ),
        Key::new(
            "overflow",
            Choice(&[
                ("drop-oldest", Overflow::DropOldest),
                ("drop-newest", Overflow::DropNewest),
                ("disconnect", Overflow::Disconnect),
            ]),
            |queue| &mut queue.overflow,
            "What becomes of more: the client misses the oldest of what waits (\"drop-oldest\"), what is new \
             (\"drop-newest\"), or is closed with 1008 (\"disconnect\").",
        ),
    ]
}
