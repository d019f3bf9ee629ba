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
            "The maximum number of messages that are queued for a client.",
        ),
        Key::new(
            "bytes",
            bytes(),
            |queue| &mut queue.bytes,
            "The maximum number of bytes that are queued for a client.",
        ),
        Key::new(
            "overflow",
            Choice(&[
                ("drop-oldest", Overflow::DropOldest),
                ("drop-newest", Overflow::DropNewest),
                ("disconnect", Overflow::Disconnect),
            ]),
            |queue| &mut queue.overflow,
            "The handling of a full queue: \"drop-oldest\" drops the oldest queued messages, \"drop-newest\" drops the \
             new one, \"disconnect\" closes the client with 1008.",
        ),
    ]
}
