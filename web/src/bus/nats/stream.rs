//! The JetStream stream that keeps the history.

use std::time::Duration;

use async_nats::client::{RequestError, RequestErrorKind};
use async_nats::{Client, HeaderMap};
use polysock::bus::Place;
use serde_json::{Value, json};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::api::{ApiError, answer, body, text};
use crate::bus::settings::{History, Prefix};
use crate::bus::subjects::token;

/// The stream that was found or created.
#[derive(Debug)]
pub(super) struct StreamInfo {
    /// The prefix, which is also the name of the stream.
    prefix: Prefix,
    /// The time at which the stream was created, in microseconds. The offset of a message is this
    /// plus its sequence number.
    base: u64,
}

/// The error for a stream that could not be found or created with the right settings.
#[derive(Debug, Error)]
pub(super) enum StreamError {
    #[error(
        "a history needs JetStream, which this NATS does not have: start nats-server with -js, or remove `history`"
    )]
    NoJetStream,
    #[error("JetStream: {0}")]
    Api(#[from] ApiError),
    #[error("NATS: {0}")]
    Request(RequestError),
    #[error(
        "the stream `{stream}` of NATS does not match the history of this node: `{setting}` is \
         {found} there, and {wanted} here. Give all nodes the same history, change the stream \
         with `nats stream edit {stream}`, or remove it"
    )]
    Conflict {
        stream: Prefix,
        setting: &'static str,
        found: Value,
        wanted: Value,
    },
    #[error("JetStream gives no valid creation time of its stream, but `{0}`")]
    NoTime(String),
}

impl StreamInfo {
    /// Finds the stream, or creates it.
    pub(super) async fn prepare(
        client: &Client,
        prefix: &Prefix,
        history: History,
    ) -> Result<Self, StreamError> {
        let wanted = wanted(prefix, history);
        let found = match ask(client, &format!("STREAM.INFO.{prefix}"), &json!({})).await {
            Err(StreamError::Api(error)) if error.is_stream_not_found() => {
                ask(client, &format!("STREAM.CREATE.{prefix}"), &wanted).await?
            }
            found => found?,
        };
        for setting in ["subjects", "republish", "max_age", "max_msgs_per_subject"] {
            let wanted = wanted.get(setting).cloned().unwrap_or_default();
            let found = found.pointer(&format!("/config/{setting}"));
            let found = found.cloned().unwrap_or_default();
            if found != wanted {
                return Err(StreamError::Conflict {
                    stream: prefix.clone(),
                    setting,
                    found,
                    wanted,
                });
            }
        }
        let created = text(&found, "/created");
        Ok(Self {
            prefix: prefix.clone(),
            base: micros(created).ok_or_else(|| StreamError::NoTime(created.to_owned()))?,
        })
    }

    /// Returns the subject on which messages of a channel are published.
    pub(super) fn subject(&self, channel: &str) -> String {
        format!("{}.h.{}", self.prefix, token(channel))
    }

    /// Returns the subject of a JetStream API request about the stream.
    pub(super) fn api(&self, what: &str) -> String {
        format!("$JS.API.{what}.{}", self.prefix)
    }

    pub(super) fn name(&self) -> &str {
        self.prefix.as_str()
    }

    /// Returns the offset of the message with a sequence number; 0 for 0.
    pub(super) fn offset(&self, number: u64) -> u64 {
        match number {
            0 => 0,
            number => self.base + number,
        }
    }

    /// Returns the sequence number of the message at an offset. `None` if the offset is not from
    /// this stream.
    pub(super) fn number(&self, offset: u64) -> Option<u64> {
        match offset {
            0 => Some(0),
            offset => offset.checked_sub(self.base).filter(|number| *number > 0),
        }
    }

    /// Reads the place from the headers of a republished message.
    pub(super) fn place(&self, headers: Option<&HeaderMap>) -> Option<Place> {
        let headers = headers?;
        let number = |name: &str| headers.get(name)?.as_str().parse().ok();
        Some(Place {
            offset: self.offset(number("Nats-Sequence")?),
            previous: self.offset(number("Nats-Last-Sequence")?),
        })
    }
}

fn wanted(prefix: &Prefix, History { len, age }: History) -> Value {
    let nanos = u64::try_from(age.max(Duration::from_millis(100)).as_nanos());
    json!({
        "name": prefix.as_str(),
        "subjects": [format!("{prefix}.h.>")],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_age": nanos.unwrap_or(i64::MAX as u64),
        "max_msgs_per_subject": len,
        "num_replicas": 1,
        "republish": { "src": format!("{prefix}.h.>"), "dest": format!("{prefix}.c.>") },
    })
}

async fn ask(client: &Client, what: &str, question: &Value) -> Result<Value, StreamError> {
    let asking = client.request(format!("$JS.API.{what}"), body(question));
    let message = asking.await.map_err(|error| match error.kind() {
        RequestErrorKind::NoResponders => StreamError::NoJetStream,
        _ => StreamError::Request(error),
    })?;
    Ok(answer(&message.payload)?)
}

/// Parses an RFC 3339 time into microseconds since 1970.
fn micros(time: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_offsets_from_the_creation_time_of_the_stream() {
        let base = micros("2026-11-28T12:26:08.000001999Z").unwrap();
        assert_eq!(base, 1_795_868_768_000_001);
        let kept = StreamInfo {
            prefix: Prefix::default(),
            base,
        };
        for (number, offset) in [(0, 0), (1, base + 1), (7, base + 7)] {
            assert_eq!(kept.offset(number), offset);
            assert_eq!(kept.number(offset), Some(number));
        }
        assert_eq!(kept.number(base), None);
        assert_eq!(kept.number(base - 5), None);
        assert_eq!(micros("yesterday"), None);
    }

    #[test]
    fn a_republished_message_has_its_place() {
        let kept = StreamInfo {
            prefix: Prefix::default(),
            base: 100,
        };
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Sequence", "7");
        assert_eq!(kept.place(Some(&headers)), None);
        headers.insert("Nats-Last-Sequence", "0");
        let place = |previous| {
            Some(Place {
                offset: 107,
                previous,
            })
        };
        assert_eq!(kept.place(Some(&headers)), place(0));
        headers.insert("Nats-Last-Sequence", "3");
        assert_eq!(kept.place(Some(&headers)), place(103));
        assert_eq!(kept.place(None), None);
    }
}
