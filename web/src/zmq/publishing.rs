//! Publishing of received ZeroMQ messages.

use polysock::apps::{ItemError, Publisher};
use polysock::{Channels, Message};
use serde_json::{Map, Value};
use thiserror::Error;

use super::tnetstring::{self, TnetstringError};
use super::zmtp::{self, Kind, MAX_MESSAGE};

/// A publisher for the messages of a socket.
#[derive(Clone, Debug)]
pub(super) struct Publishing {
    channels: Channels,
    publisher: Publisher,
    /// The name of the field with the channel, for JSON that is not an item.
    topic_field: Option<String>,
}

/// The reason for which a message is not published.
#[derive(Debug, Error)]
pub(super) enum UnpublishedError {
    #[error("it has {0} bytes, over the limit of {MAX_MESSAGE}")]
    TooLong(u64),
    #[error("a PULL socket expects one part, and it has {0}")]
    PullParts(usize),
    #[error("a SUB socket expects two parts, the channel and the item, and it has {0}")]
    SubParts(usize),
    #[error("its first part, which is the channel, is empty or not UTF-8")]
    Channel,
    #[error(
        "it is JSON without a J before it: add the J, or set topic_field if one of its fields is the channel"
    )]
    BareJson,
    #[error("it does not begin with J, T or the size of a tnetstring")]
    Letter,
    #[error("the text after J is not JSON")]
    Json,
    #[error("it is not a tnetstring: {0}")]
    Tnetstring(#[from] TnetstringError),
    #[error("the item is not an object")]
    NoObject,
    #[error(transparent)]
    Item(#[from] ItemError),
    #[error("it is not a JSON object with a text in `{0}`")]
    Topic(String),
}

impl Publishing {
    pub(super) fn new(channels: Channels) -> Self {
        Self {
            publisher: Publisher::new(channels.clone()),
            channels,
            topic_field: None,
        }
    }

    pub(super) fn topic_field(self, name: String) -> Self {
        Self {
            topic_field: Some(name),
            ..self
        }
    }

    /// Publishes a message, or returns the reason for which it cannot be published.
    pub(super) fn publish(
        &self,
        kind: Kind,
        message: &zmtp::Message,
    ) -> Result<(), UnpublishedError> {
        if message.len > MAX_MESSAGE {
            return Err(UnpublishedError::TooLong(message.len));
        }
        match (kind, &*message.parts) {
            (Kind::Pull, [part]) => self.pull(part),
            (Kind::Sub, [channel, part]) => self.sub(channel, part),
            (Kind::Pull, _) => Err(UnpublishedError::PullParts(message.count)),
            (Kind::Sub, _) => Err(UnpublishedError::SubParts(message.count)),
        }
    }

    fn pull(&self, part: &[u8]) -> Result<(), UnpublishedError> {
        if let Some(field) = &self.topic_field
            && is_json_object(part)
        {
            return self.topic(field, part);
        }
        Ok(self.publisher.publish(&item(part)?)?)
    }

    fn sub(&self, channel: &[u8], part: &[u8]) -> Result<(), UnpublishedError> {
        let channel = std::str::from_utf8(channel).ok();
        let channel = channel.filter(|channel| !channel.is_empty());
        let channel = channel.ok_or(UnpublishedError::Channel)?;
        let Value::Object(mut item) = item(part)? else {
            return Err(UnpublishedError::NoObject);
        };
        // The channel in the item is replaced: sockets in between have filtered by this one.
        item.insert("channel".to_owned(), channel.into());
        Ok(self.publisher.publish(&item.into())?)
    }

    /// Publishes JSON unchanged on the channel that is in one of its fields.
    fn topic(&self, field: &str, part: &[u8]) -> Result<(), UnpublishedError> {
        let unfit = || UnpublishedError::Topic(field.to_owned());
        let text = std::str::from_utf8(part).map_err(|_| unfit())?;
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(|_| unfit())?;
        let channel = fields.get(field).and_then(Value::as_str);
        let channel = channel.filter(|channel| !channel.is_empty());
        // A copy, so that a queued message does not keep the whole read buffer alive.
        let message = Message::text(text.to_owned());
        self.channels.publish(channel.ok_or_else(unfit)?, message);
        Ok(())
    }
}

/// Parses the item in a part.
fn item(part: &[u8]) -> Result<Value, UnpublishedError> {
    match part {
        [b'J', json @ ..] => serde_json::from_slice(json).map_err(|_| UnpublishedError::Json),
        [b'T', tnetstring @ ..] => Ok(tnetstring::read(tnetstring)?),
        [b'0'..=b'9', ..] => Ok(tnetstring::read(part)?),
        part if is_json_object(part) => Err(UnpublishedError::BareJson),
        _ => Err(UnpublishedError::Letter),
    }
}

/// Whether a part is a JSON object, provided that it is JSON.
fn is_json_object(part: &[u8]) -> bool {
    part.trim_ascii_start().first() == Some(&b'{')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use polysock::{Publication, Push, Receiving};

    use super::*;

    /// A recorder of publications and their channels.
    struct Heard {
        told: Arc<Mutex<Vec<(String, Push)>>>,
        _receiving: Receiving,
    }

    impl Heard {
        fn of(channels: &Channels) -> Self {
            let told = Arc::new(Mutex::new(Vec::new()));
            let telling = Arc::clone(&told);
            let receiving = channels.receive(None, move |channel, publication: &Publication| {
                let mut telling = telling.lock().unwrap();
                telling.push((channel.to_owned(), publication.push.clone()));
            });
            Self {
                told,
                _receiving: receiving,
            }
        }

        fn take(&self) -> Vec<(String, Push)> {
            std::mem::take(&mut *self.told.lock().unwrap())
        }
    }

    fn message(parts: &[&[u8]]) -> zmtp::Message {
        let lengths = parts.iter().map(|part| part.len() as u64);
        zmtp::Message {
            len: lengths.sum(),
            count: parts.len(),
            parts: parts
                .iter()
                .map(|part| Bytes::copy_from_slice(part))
                .collect(),
        }
    }

    fn text(channel: &str, text: &str) -> Vec<(String, Push)> {
        vec![(
            channel.to_owned(),
            Push::Message(Message::text(text.to_owned())),
        )]
    }

    const TNETSTRING: &[u8] =
        b"73:7:channel,4:test,7:formats,42:10:ws-message,24:7:content,10:hello tnet,}}}";
    const CHANNELLESS: &[u8] = b"56:7:formats,42:10:ws-message,24:7:content,10:hello tnet,}}}";

    #[test]
    fn a_pull_socket_takes_items_in_three_forms() {
        let channels = Channels::new();
        let heard = Heard::of(&channels);
        let publishing = Publishing::new(channels);
        let publish = |parts: &[&[u8]]| {
            let published = publishing.publish(Kind::Pull, &message(parts));
            published.map_err(|error| error.to_string())
        };
        let json = br#"J{"channel":"test","formats":{"ws-message":{"content":"hello J"}}}"#;
        assert_eq!(publish(&[json]), Ok(()));
        assert_eq!(heard.take(), text("test", "hello J"));
        let lettered = [b"T", TNETSTRING].concat();
        for tnetstring in [TNETSTRING, &lettered] {
            assert_eq!(publish(&[tnetstring]), Ok(()));
            assert_eq!(heard.take(), text("test", "hello tnet"));
        }
        for (parts, problem) in [
            (
                &[&b""[..]][..],
                "it does not begin with J, T or the size of a tnetstring",
            ),
            (
                &[b"Xnope"],
                "it does not begin with J, T or the size of a tnetstring",
            ),
            (&[b"Jnope"], "the text after J is not JSON"),
            (&[b"J[]"], "Invalid format: an item is not an object"),
            (&[CHANNELLESS], "Invalid format: an item has no channel"),
            (
                &[b"T5:hello"],
                "it is not a tnetstring: a content is shorter than its size",
            ),
            (
                &[&json[1..]],
                "it is JSON without a J before it: add the J, or set topic_field if one of its fields is the channel",
            ),
            (
                &[json, json],
                "a PULL socket expects one part, and it has 2",
            ),
        ] {
            assert_eq!(publish(parts), Err(problem.to_owned()));
        }
        let too_long = zmtp::Message {
            parts: Vec::new(),
            count: 1,
            len: 1_000_001,
        };
        let error = publishing.publish(Kind::Pull, &too_long).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has 1000001 bytes, over the limit of 1000000"
        );
        assert_eq!(heard.take(), []);
    }

    #[test]
    fn a_sub_socket_takes_the_channel_from_the_first_part() {
        let channels = Channels::new();
        let heard = Heard::of(&channels);
        let publishing = Publishing::new(channels);
        let publish = |parts: &[&[u8]]| {
            let published = publishing.publish(Kind::Sub, &message(parts));
            published.map_err(|error| error.to_string())
        };
        for item in [
            &br#"J{"formats":{"ws-message":{"content":"hello tnet"}}}"#[..],
            br#"J{"channel":"other","formats":{"ws-message":{"content":"hello tnet"}}}"#,
            CHANNELLESS,
            &[b"T", TNETSTRING].concat(),
        ] {
            assert_eq!(publish(&[b"news", item]), Ok(()));
            assert_eq!(heard.take(), text("news", "hello tnet"));
        }
        for (parts, problem) in [
            (
                &[CHANNELLESS][..],
                "a SUB socket expects two parts, the channel and the item, and it has 1",
            ),
            (
                &[b"", CHANNELLESS],
                "its first part, which is the channel, is empty or not UTF-8",
            ),
            (
                &[b"\xff", CHANNELLESS],
                "its first part, which is the channel, is empty or not UTF-8",
            ),
            (&[b"news", b"J7"], "the item is not an object"),
            (&[b"news", b"J{}"], "Invalid format: an item has no formats"),
        ] {
            assert_eq!(publish(parts), Err(problem.to_owned()));
        }
        assert_eq!(heard.take(), []);
    }

    #[test]
    fn json_with_the_channel_in_a_field_is_the_message() {
        let channels = Channels::new();
        let heard = Heard::of(&channels);
        let publishing = Publishing::new(channels).topic_field("category".to_owned());
        let publish = |part: &[u8]| publishing.publish(Kind::Pull, &message(&[part]));
        let entry =
            r#"{"category":"http://example.com/t#1","title":"Hi","article":"\u2026","when":1}"#;
        publish(entry.as_bytes()).unwrap();
        assert_eq!(heard.take(), text("http://example.com/t#1", entry));
        // Items are still accepted.
        publish(TNETSTRING).unwrap();
        assert_eq!(heard.take(), text("test", "hello tnet"));
        for wrong in [
            &b"{"[..],
            b"{}",
            b"{\"category\":7}",
            b"{\"category\":\"\"}",
            b"{\"category\":\"a\",\"title\":\"\xff\"}",
        ] {
            let error = publish(wrong).unwrap_err().to_string();
            assert_eq!(error, "it is not a JSON object with a text in `category`");
        }
        assert_eq!(heard.take(), []);
    }
}
