//! Operations that are sent to NATS in order, and the subjects that identify the answers.

use std::collections::VecDeque;

use async_nats::Subject;
use bytes::Bytes;
use polysock::bus::Topic;
use serde_json::Value;

use super::api::body;

/// An operation that is to be sent.
#[derive(Debug)]
pub(super) enum Op {
    Subscribe {
        subject: Subject,
        topic: Topic,
        /// The number that distinguishes the subscription from others to the same topic.
        number: u64,
    },
    Publish {
        subject: Subject,
        reply: Option<Subject>,
        payload: Bytes,
    },
}

/// The request that an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyTo {
    /// An echo: the server has received all that was sent before.
    Echo,
    /// The publication with this ticket.
    Published(u64),
    /// The last message on the topic of the subscription with this number.
    Last(u64),
    /// The creation of the consumer that reads the past with this ticket.
    Reader(u64),
    /// A message of the past with this ticket.
    Message(u64),
    /// The message that the past with this ticket begins after.
    After(u64),
    /// The information about the stream for the past with this ticket.
    Stream(u64),
}

/// A queue of operations, with an inbox for the answers.
#[derive(Debug)]
pub(super) struct Work {
    inbox: String,
    pub(super) ops: VecDeque<Op>,
}

impl Work {
    pub(super) fn new(inbox: String) -> Self {
        Self {
            inbox,
            ops: VecDeque::new(),
        }
    }

    /// Returns the subject that matches all answers.
    pub(super) fn answers(&self) -> String {
        format!("{}.*", self.inbox)
    }

    /// Queues a message that is to be answered.
    pub(super) fn ask(&mut self, subject: String, payload: Bytes, about: ReplyTo) {
        let Self { inbox, .. } = self;
        let (letter, number) = about.code();
        let reply = format!("{inbox}.{letter}{number}");
        self.ops.push_back(Op::Publish {
            subject: subject.into(),
            reply: Some(reply.into()),
            payload,
        });
    }

    pub(super) fn ask_json(&mut self, subject: String, question: &Value, about: ReplyTo) {
        self.ask(subject, body(question), about);
    }

    /// Queues a message without an answer.
    pub(super) fn tell(&mut self, subject: String, payload: Bytes) {
        self.ops.push_back(Op::Publish {
            subject: subject.into(),
            reply: None,
            payload,
        });
    }

    /// Queues a message that comes back to the inbox.
    pub(super) fn echo(&mut self) {
        let (letter, number) = ReplyTo::Echo.code();
        self.tell(format!("{}.{letter}{number}", self.inbox), Bytes::new());
    }

    /// Returns the request that a subject of the inbox belongs to. `None` for other subjects.
    pub(super) fn about(&self, subject: &str) -> Option<ReplyTo> {
        let token = subject.strip_prefix(&self.inbox)?.strip_prefix('.')?;
        let (letter, number) = token.split_at_checked(1)?;
        let number = number.parse().ok()?;
        let known = [
            ReplyTo::Echo,
            ReplyTo::Published(number),
            ReplyTo::Last(number),
            ReplyTo::Reader(number),
            ReplyTo::Message(number),
            ReplyTo::After(number),
            ReplyTo::Stream(number),
        ];
        known.into_iter().find(|about| about.code().0 == letter)
    }
}

impl ReplyTo {
    fn code(self) -> (&'static str, u64) {
        match self {
            Self::Echo => ("e", 0),
            Self::Published(ticket) => ("p", ticket),
            Self::Last(number) => ("l", number),
            Self::Reader(ticket) => ("r", ticket),
            Self::Message(ticket) => ("m", ticket),
            Self::After(ticket) => ("a", ticket),
            Self::Stream(ticket) => ("s", ticket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_identified_by_their_subjects() {
        let mut work = Work::new("_INBOX.x".to_owned());
        assert_eq!(work.answers(), "_INBOX.x.*");
        for about in [
            ReplyTo::Published(7),
            ReplyTo::Last(u64::MAX),
            ReplyTo::Reader(0),
            ReplyTo::Message(1),
            ReplyTo::After(2),
            ReplyTo::Stream(3),
        ] {
            work.ask("a".to_owned(), Bytes::new(), about);
            let Some(Op::Publish {
                reply: Some(reply), ..
            }) = work.ops.pop_back()
            else {
                panic!("{about:?}");
            };
            assert_eq!(work.about(&reply), Some(about));
        }
        work.echo();
        let Some(Op::Publish {
            subject,
            reply: None,
            ..
        }) = work.ops.pop_back()
        else {
            panic!("no echo");
        };
        assert_eq!(work.about(&subject), Some(ReplyTo::Echo));
        for other in [
            "_INBOX.x.",
            "_INBOX.x.z1",
            "_INBOX.x.p",
            "_INBOX.xp1",
            "_INBOX.x.é",
        ] {
            assert_eq!(work.about(other), None, "{other}");
        }
    }
}
