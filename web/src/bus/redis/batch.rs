//! Batches of commands for Redis.

use bytes::Bytes;
use polysock::bus::{Command, Event, Topic};
use redis::{Cmd, Pipeline, cmd};
use sha1::{Digest, Sha1};

use super::answers::{Question, place};
use crate::bus::settings::{History, Prefix};
use crate::bus::subjects::{Subjects, token};

/// The script that publishes with a history.
const SCRIPT: &str = include_str!("publish.lua");

/// The time by which the last offset of a channel outlives its messages, in milliseconds. For so
/// long, missed messages are noticed after they have been removed.
const PLACES_LONGER: u128 = 24 * 60 * 60 * 1000;

/// The most commands in a batch.
const MOST_COMMANDS: usize = 512;

/// The size of the messages, in bytes, from which a batch gets no more commands.
const MOST_BYTES: usize = 256 * 1024;

/// The names of topics and keys in Redis, and the settings of the history.
#[derive(Debug)]
pub(super) struct Names {
    subjects: Subjects,
    kept: Option<KeptHistory>,
}

#[derive(Debug)]
struct KeptHistory {
    prefix: Prefix,
    len: usize,
    /// The age limit of messages, in milliseconds. `places_age` is in milliseconds, too.
    age: u128,
    places_age: u128,
    /// The SHA-1 by which Redis finds the script.
    digest: String,
}

/// The commands that are sent together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) commands: Pipeline,
    pub(super) questions: Vec<Question>,
    bytes: usize,
    has_script: bool,
}

impl Names {
    pub(super) fn new(prefix: &Prefix, history: Option<History>) -> Self {
        let kept = history.map(|History { len, age }| KeptHistory {
            prefix: prefix.clone(),
            len,
            age: age.as_millis().max(1),
            places_age: age.as_millis() + PLACES_LONGER,
            digest: Sha1::digest(SCRIPT)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        });
        Self {
            subjects: Subjects::new(prefix),
            kept,
        }
    }

    /// Whether the bus has a history.
    pub(super) fn has_history(&self) -> bool {
        self.kept.is_some()
    }

    /// Returns the channel or the pattern to subscribe to for a topic.
    pub(super) fn subject(&self, topic: &Topic) -> String {
        self.subjects.subject(topic)
    }

    /// Whether a topic can be subscribed to.
    pub(super) fn has(&self, topic: &Topic) -> bool {
        self.subjects.has(topic)
    }

    /// Converts a received message to an event. `None` if it is not from a node of this bus.
    pub(super) fn came(&self, subject: &[u8], message: Vec<u8>) -> Option<Event> {
        let topic = self.subjects.topic(str::from_utf8(subject).ok()?)?;
        if matches!(topic, Topic::Bare(_)) {
            return Some(Event::Came {
                topic,
                envelope: message.into(),
                place: None,
            });
        }
        let (place, start) = place(&message)?;
        Some(Event::Came {
            topic,
            envelope: Bytes::from(message).slice(start..),
            place: place.filter(|_| self.kept.is_some()),
        })
    }
}

impl Batch {
    /// Whether the batch should be sent before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.questions.len() >= MOST_COMMANDS || self.bytes >= MOST_BYTES
    }

    /// Adds a `PING`.
    pub(super) fn ask_whether_it_is_there(&mut self) {
        self.commands.cmd("PING");
        self.questions.push(Question::IsThere);
    }

    pub(super) fn add(&mut self, names: &Names, command: Command) {
        match command {
            Command::Subscribe(topic) => self.subscribe(names, topic),
            Command::Unsubscribe(topic) => {
                let verb = match topic {
                    Topic::Channels => "PUNSUBSCRIBE",
                    Topic::Channel(_) | Topic::Nodes | Topic::Bare(_) => "UNSUBSCRIBE",
                };
                let subject = names.subjects.subject(&topic);
                self.commands.cmd(verb).arg(subject);
                self.questions.push(Question::Unsubscribed);
            }
            Command::Publish {
                topic,
                envelope,
                ticket,
            } => {
                self.bytes += envelope.len();
                let command = self.publish(names, &topic, &envelope);
                self.commands.add_command(command);
                self.questions.push(Question::Published { ticket });
            }
            Command::Past {
                channel,
                after,
                most,
                ticket,
            } => {
                let Some(kept) = &names.kept else {
                    return;
                };
                let [stream, last] = kept.keys(&channel);
                // In this order, a message that is published in between can only be one too many.
                self.commands.cmd("GET").arg(last);
                self.commands
                    .cmd("XRANGE")
                    .arg(stream)
                    .arg(format!("{}-0", after + 1))
                    .arg("+")
                    .arg("COUNT")
                    .arg(most.max(1));
                self.questions.push(Question::Past { ticket, after });
            }
        }
    }

    fn subscribe(&mut self, names: &Names, topic: Topic) {
        let verb = match topic {
            // The asterisk is the only character of a subject that has a meaning in a pattern.
            Topic::Channels => "PSUBSCRIBE",
            Topic::Channel(_) | Topic::Nodes | Topic::Bare(_) => "SUBSCRIBE",
        };
        let subject = names.subjects.subject(&topic);
        self.commands.cmd(verb).arg(subject);
        let has_last = match (&topic, &names.kept) {
            (Topic::Channel(name), Some(kept)) => {
                let [_, last] = kept.keys(name);
                self.commands.cmd("GET").arg(last);
                true
            }
            _ => false,
        };
        let question = Question::Subscribed { topic, has_last };
        self.questions.push(question);
    }

    fn publish(&mut self, names: &Names, topic: &Topic, envelope: &Bytes) -> Cmd {
        let subject = names.subjects.subject(topic);
        let (Some(kept), Topic::Channel(name)) = (&names.kept, topic) else {
            let mut message = Vec::with_capacity(envelope.len() + 1);
            message.push(b':');
            message.extend_from_slice(envelope);
            let mut publish = cmd("PUBLISH");
            publish.arg(subject).arg(message);
            return publish;
        };
        // Redis can lose the script at any time, so each batch includes it once. Otherwise the
        // script would have to be sent again, and the commands behind it would overtake it.
        let mut publish = if self.has_script {
            let mut publish = cmd("EVALSHA");
            publish.arg(&kept.digest);
            publish
        } else {
            let mut publish = cmd("EVAL");
            publish.arg(SCRIPT);
            publish
        };
        self.has_script = true;
        let keys = kept.keys(name);
        publish.arg(keys.len()).arg(&keys);
        publish.arg(&envelope[..]).arg(subject).arg(kept.len);
        publish
            .arg(kept.age.to_string())
            .arg(kept.places_age.to_string());
        publish
    }
}

impl KeptHistory {
    /// Returns the keys of a channel's stream and of its last offset. In a cluster both are at the
    /// same node.
    fn keys(&self, channel: &str) -> [String; 2] {
        let Self { prefix, .. } = self;
        let token = token(channel);
        [
            format!("{prefix}.h.{{{token}}}"),
            format!("{prefix}.l.{{{token}}}"),
        ]
    }
}
