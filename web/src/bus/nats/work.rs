//! What is sent to NATS, one after the other, and by what its answers are known.

use std::collections::VecDeque;

use async_nats::Subject;
use bytes::Bytes;
use polysock::bus::Topic;
use serde_json::Value;

use super::api::body;

/// What has to be sent.
#[derive(Debug)]
pub(super) enum Op {
    Subscribe {
        subject: Subject,
        topic: Topic,
        /// That of the subscription, which others of the same topic have not.
        number: u64,
    },
    Publish {
        subject: Subject,
        reply: Option<Subject>,
        payload: Bytes,
    },
}

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// All that was sent before is with the server.
    Echo,
    /// The publication with this ticket.
    Published(u64),
    /// The last message on the topic of the subscription with this number.
    Last(u64),
    /// The past with this ticket, as are the others: who reads it,
    Reader(u64),
    /// a message,
    Message(u64),
    /// the message it begins after,
    After(u64),
    /// and the stream.
    Stream(u64),
}

/// What is to be sent, with an inbox for what is answered.
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

    /// What has all answers.
    pub(super) fn answers(&self) -> String {
        format!("{}.*", self.inbox)
    }

    /// Has a message sent, and answered.
    pub(super) fn ask(&mut self, subject: String, payload: Bytes, about: About) {
        let Self { inbox, .. } = self;
        let (letter, number) = about.code();
        let reply = format!("{inbox}.{letter}{number}");
        self.ops.push_back(Op::Publish {
            subject: subject.into(),
            reply: Some(reply.into()),
            payload,
        });
    }

    pub(super) fn ask_json(&mut self, subject: String, question: &Value, about: About) {
        self.ask(subject, body(question), about);
    }

    /// Has a message sent that nothing comes of.
    pub(super) fn tell(&mut self, subject: String, payload: Bytes) {
        self.ops.push_back(Op::Publish {
            subject: subject.into(),
            reply: None,
            payload,
        });
    }

    /// Has a message sent that comes back.
    pub(super) fn echo(&mut self) {
        let (letter, number) = About::Echo.code();
        self.tell(format!("{}.{letter}{number}", self.inbox), Bytes::new());
    }

    /// What has come to the inbox is about.
    pub(super) fn about(&self, subject: &str) -> Option<About> {
        let token = subject.strip_prefix(&self.inbox)?.strip_prefix('.')?;
        let (letter, number) = token.split_at_checked(1)?;
        let number = number.parse().ok()?;
        let known = [
            About::Echo,
            About::Published(number),
            About::Last(number),
            About::Reader(number),
            About::Message(number),
            About::After(number),
            About::Stream(number),
        ];
        known.into_iter().find(|about| about.code().0 == letter)
    }
}

impl About {
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
    fn answers_are_known_by_their_subjects() {
        let mut work = Work::new("_INBOX.x".to_owned());
        assert_eq!(work.answers(), "_INBOX.x.*");
        for about in [
            About::Published(7),
            About::Last(u64::MAX),
            About::Reader(0),
            About::Message(1),
            About::After(2),
            About::Stream(3),
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
        assert_eq!(work.about(&subject), Some(About::Echo));
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
