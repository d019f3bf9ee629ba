//! The publications on their way to the broker. Unconfirmed ones are sent again after a connection
//! has broken.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::push::bus::{Command, Topic};

/// The maximum number of letters sent to the broker but not yet confirmed.
const WINDOW: usize = 1024;

/// The limits of the queue while there is no broker, in letters and in bytes.
const MOST: usize = 16_384;
const MOST_BYTES: usize = 16 << 20;

/// The letters on their way to the broker.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The unconfirmed letters that were sent, oldest first.
    sent: VecDeque<Letter>,
    waiting: VecDeque<Letter>,
    bytes: usize,
}

#[derive(Debug)]
struct Letter {
    topic: Topic,
    envelope: Bytes,
    ticket: u64,
}

impl Outbox {
    /// Queues a letter. Returns how many of the oldest queued letters were dropped for it.
    pub(super) fn push(&mut self, topic: Topic, envelope: Bytes, ticket: u64) -> u64 {
        self.bytes += envelope.len();
        self.waiting.push_back(Letter {
            topic,
            envelope,
            ticket,
        });
        let mut dropped = 0;
        while self.waiting.len() > MOST || (self.bytes > MOST_BYTES && self.waiting.len() > 1) {
            let Some(letter) = self.waiting.pop_front() else {
                break;
            };
            self.bytes -= letter.envelope.len();
            dropped += 1;
        }
        dropped
    }

    /// Returns the command that sends the next letter. `None` if no letter may be sent now.
    pub(super) fn next(&mut self) -> Option<Command> {
        if self.sent.len() >= WINDOW {
            return None;
        }
        let letter = self.waiting.pop_front()?;
        let command = Command::Publish {
            topic: letter.topic.clone(),
            envelope: letter.envelope.clone(),
            ticket: letter.ticket,
        };
        self.sent.push_back(letter);
        Some(command)
    }

    /// Removes a letter that the broker has confirmed or refused.
    pub(super) fn settle(&mut self, ticket: u64) {
        let place = self.sent.iter().position(|letter| letter.ticket == ticket);
        if let Some(letter) = place.and_then(|place| self.sent.remove(place)) {
            self.bytes -= letter.envelope.len();
        }
    }

    /// Returns the unconfirmed letters to the queue, after the connection has broken.
    pub(super) fn take_back(&mut self) {
        while let Some(letter) = self.sent.pop_back() {
            self.waiting.push_front(letter);
        }
    }

    /// Returns the ticket of the oldest unconfirmed letter, if any.
    pub(super) fn oldest(&self) -> Option<u64> {
        let oldest = self.sent.front().or(self.waiting.front());
        oldest.map(|letter| letter.ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(outbox: &mut Outbox) -> Vec<u64> {
        let sent = std::iter::from_fn(|| outbox.next());
        let ticket = |command| match command {
            Command::Publish { ticket, .. } => ticket,
            other => panic!("{other:?}"),
        };
        sent.map(ticket).collect()
    }

    fn push(outbox: &mut Outbox, ticket: u64, len: usize) -> u64 {
        outbox.push(Topic::Nodes, vec![0; len].into(), ticket)
    }

    #[test]
    fn unconfirmed_letters_are_sent_again_in_order() {
        let mut outbox = Outbox::default();
        (1..=4).for_each(|ticket| assert_eq!(push(&mut outbox, ticket, 1), 0));
        assert_eq!(tickets(&mut outbox), [1, 2, 3, 4]);
        outbox.settle(1);
        outbox.settle(3);
        push(&mut outbox, 5, 1);
        outbox.take_back();
        assert_eq!(outbox.oldest(), Some(2));
        assert_eq!(tickets(&mut outbox), [2, 4, 5]);
        [2, 4, 5].into_iter().for_each(|one| outbox.settle(one));
        assert_eq!((outbox.oldest(), outbox.bytes), (None, 0));
    }

    #[test]
    fn a_full_outbox_drops_the_oldest_waiting_letters() {
        let mut outbox = Outbox::default();
        for ticket in 0..3 * MOST as u64 {
            push(&mut outbox, ticket, 10);
        }
        assert_eq!(outbox.waiting.len(), MOST);
        assert_eq!(outbox.oldest(), Some(2 * MOST as u64));
        assert_eq!(tickets(&mut outbox).len(), WINDOW);
        let dropped = push(&mut outbox, 1, MOST_BYTES);
        assert_eq!(dropped, (MOST - WINDOW) as u64);
        // The size of a single letter is not limited.
        assert_eq!(outbox.waiting.len(), 1);
    }
}
