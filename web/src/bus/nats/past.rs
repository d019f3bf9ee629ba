//! The past of a channel: the messages published before, read by an ephemeral JetStream consumer.

use std::collections::HashMap;
use std::mem;

use async_nats::Message;
use bytes::Bytes;
use polysock::bus::Event;
use serde_json::{Value, json};

use super::api::{answer, number, text};
use super::stream::StreamInfo;
use super::work::{ReplyTo, Work};

/// The time after which JetStream removes an idle consumer, in nanoseconds.
const READER_AGE: u64 = 10_000_000_000;

/// The time for which JetStream may wait for messages, in nanoseconds. Some may have been removed
/// since they were counted; JetStream waits for these as if they were still to be published.
const READ: u64 = 1_000_000_000;

/// The pasts that are being read.
#[derive(Debug, Default)]
pub(super) struct Pasts {
    /// The pasts by their tickets.
    open: HashMap<u64, Past>,
    /// The tickets of the pasts by the names of their consumers.
    readers: HashMap<String, u64>,
}

/// A past that is being read. A consumer is created, delivers its messages and is removed; then the
/// stream is checked for completeness. The check comes last because the stream removes the oldest
/// messages first: if the message before the past still exists then, nothing after it was removed
/// while it was read.
#[derive(Debug)]
struct Past {
    ticket: u64,
    /// The subject that its messages were published on.
    subject: String,
    /// The sequence number of the message that the past begins after. `None` if that message was in
    /// another stream.
    after: Option<u64>,
    most: usize,
    reader: Option<String>,
    wanted: usize,
    entries: Vec<(u64, Bytes)>,
}

impl Pasts {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Begins to read at most `most` messages after a place.
    pub(super) fn begin(
        &mut self,
        kept: &StreamInfo,
        work: &mut Work,
        channel: &str,
        (after, most, ticket): (u64, usize, u64),
    ) {
        let past = Past::begin(kept, work, channel, (after, most, ticket));
        self.open.insert(ticket, past);
    }

    /// Returns the past that a message from a consumer belongs to. The message arrives at the
    /// inbox, but with its original subject.
    pub(super) fn about(&self, message: &Message) -> Option<ReplyTo> {
        let (consumer, _) = delivered(message.reply.as_deref()?)?;
        let ticket = self.readers.get(consumer)?;
        Some(ReplyTo::Message(*ticket))
    }

    /// Processes an answer about a past. Returns the past once it is complete.
    pub(super) fn answered(
        &mut self,
        kept: &StreamInfo,
        work: &mut Work,
        (about, ticket): (ReplyTo, u64),
        message: Message,
    ) -> Option<Event> {
        let past = self.open.get_mut(&ticket)?;
        let was_read_by = past.reader.clone();
        let event = past.answered(kept, work, about, message);
        match (was_read_by, &past.reader) {
            (None, Some(reader)) => {
                self.readers.insert(reader.clone(), ticket);
            }
            (Some(reader), None) => {
                self.readers.remove(&reader);
            }
            _ => {}
        }
        if event.is_some() {
            self.open.remove(&ticket);
        }
        event
    }
}

impl Past {
    fn begin(
        kept: &StreamInfo,
        work: &mut Work,
        channel: &str,
        (after, most, ticket): (u64, usize, u64),
    ) -> Self {
        let past = Self {
            ticket,
            subject: kept.subject(channel),
            after: kept.number(after),
            most: most.max(1),
            reader: None,
            wanted: 0,
            entries: Vec::new(),
        };
        let question = json!({
            "stream_name": kept.name(),
            "config": {
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": past.after.unwrap_or(0) + 1,
                "filter_subject": past.subject,
                "ack_policy": "none",
                "replay_policy": "instant",
                "inactive_threshold": READER_AGE,
                "mem_storage": true,
            },
        });
        work.ask_json(
            kept.api("CONSUMER.CREATE"),
            &question,
            ReplyTo::Reader(ticket),
        );
        past
    }

    fn answered(
        &mut self,
        kept: &StreamInfo,
        work: &mut Work,
        about: ReplyTo,
        message: Message,
    ) -> Option<Event> {
        match about {
            ReplyTo::Reader(_) => self.has_reader(kept, work, &message.payload),
            ReplyTo::Message(_) => self.has_message(kept, work, message),
            ReplyTo::After(_) => {
                let answer = answer(&message.payload).unwrap_or_default();
                if text(&answer, "/message/subject") == self.subject {
                    return Some(self.end(true));
                }
                let about = ReplyTo::Stream(self.ticket);
                work.ask(kept.api("STREAM.INFO"), Bytes::new(), about);
                None
            }
            ReplyTo::Stream(_) => {
                let is_whole = answer(&message.payload).is_ok_and(|info| self.is_whole(&info));
                Some(self.end(is_whole))
            }
            ReplyTo::Echo | ReplyTo::Published(_) | ReplyTo::Last(_) => None,
        }
    }

    fn has_reader(&mut self, kept: &StreamInfo, work: &mut Work, payload: &[u8]) -> Option<Event> {
        let Ok(reader) = answer(payload) else {
            return Some(self.end(false));
        };
        let name = text(&reader, "/name");
        self.reader = Some(name.to_owned());
        let pending = usize::try_from(number(&reader, "/num_pending")).unwrap_or(usize::MAX);
        self.wanted = self.most.min(pending);
        if self.wanted == 0 {
            return self.see_whether_it_is_whole(kept, work);
        }
        let subject = format!("{}.{name}", kept.api("CONSUMER.MSG.NEXT"));
        let question = json!({ "batch": self.wanted, "no_wait": true, "expires": READ });
        work.ask_json(subject, &question, ReplyTo::Message(self.ticket));
        None
    }

    fn has_message(
        &mut self,
        kept: &StreamInfo,
        work: &mut Work,
        message: Message,
    ) -> Option<Event> {
        // A status arrives in place of messages that no longer exist.
        let number = match message.status {
            Some(_) => None,
            None => message.reply.as_deref().and_then(delivered),
        };
        let number = number.map(|(_, number)| number);
        if let Some(number) = number {
            let offset = kept.offset(number);
            self.entries.push((offset, message.payload));
            if self.entries.len() < self.wanted {
                return None;
            }
        }
        self.see_whether_it_is_whole(kept, work)
    }

    fn see_whether_it_is_whole(&mut self, kept: &StreamInfo, work: &mut Work) -> Option<Event> {
        if let Some(reader) = self.reader.take() {
            let subject = format!("{}.{reader}", kept.api("CONSUMER.DELETE"));
            work.tell(subject, Bytes::new());
        }
        let Some(after) = self.after else {
            return Some(self.end(false));
        };
        match after {
            0 => work.ask(
                kept.api("STREAM.INFO"),
                Bytes::new(),
                ReplyTo::Stream(self.ticket),
            ),
            after => work.ask_json(
                kept.api("STREAM.MSG.GET"),
                &json!({ "seq": after }),
                ReplyTo::After(self.ticket),
            ),
        }
        None
    }

    /// Whether no message can be missing, without looking at the message that the past begins
    /// after.
    fn is_whole(&self, stream: &Value) -> bool {
        let Some(after) = self.after else {
            return false;
        };
        let is_nothing_newer = after >= number(stream, "/state/last_seq");
        let is_nothing_removed = number(stream, "/state/first_seq") <= after + 1
            && number(stream, "/state/num_deleted") == 0;
        is_nothing_newer || is_nothing_removed
    }

    fn end(&mut self, is_whole: bool) -> Event {
        Event::Past {
            ticket: self.ticket,
            entries: mem::take(&mut self.entries),
            is_whole,
        }
    }
}

/// Returns the consumer that delivered a message, and the sequence number of the message in its
/// stream, read from its reply subject:
/// `$JS.ACK.[DOMAIN.ACCOUNT.]STREAM.CONSUMER.DELIVERED.NUMBER.…`.
fn delivered(reply: &str) -> Option<(&str, u64)> {
    let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    let index = if tokens.len() == 7 { 1 } else { 3 };
    let number = tokens.get(index + 2)?.parse().ok()?;
    Some((tokens.get(index)?, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_message_is_read_from_its_reply_subject() {
        for (reply, expected) in [
            (
                "$JS.ACK.polysock.abc.1.42.1.1795883968000000000.0",
                Some(("abc", 42)),
            ),
            (
                "$JS.ACK._.hash.polysock.abc.1.42.1.1795883968000000000.0",
                Some(("abc", 42)),
            ),
            (
                "$JS.ACK._.hash.polysock.abc.1.42.1.1795883968000000000.0.rnd",
                Some(("abc", 42)),
            ),
            ("$JS.ACK.polysock", None),
            ("_INBOX.x.m1", None),
        ] {
            assert_eq!(delivered(reply), expected, "{reply}");
        }
    }
}
