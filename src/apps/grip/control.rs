//! Control messages of GRIP: commands from a web app, in messages that begin with `c:`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use bytestring::ByteString;
use polysock_protocols::Message;
use serde_json::{Map, Value};

/// A control message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Control {
    /// Subscribes the client to a channel; `skips_self` excludes publications of its own user.
    Subscribe {
        channel: String,
        skips_self: bool,
    },
    Unsubscribe {
        channel: String,
    },
    /// Detaches the web app, which receives a CLOSE and then no further events.
    Detach,
    /// Sets a `Meta-` field of all later requests.
    SetMeta {
        name: String,
        value: String,
    },
    /// Sets the keep-alive message of the client; `None` removes it.
    KeepAlive(Option<KeepAlive>),
}

/// A message for a client to which nothing was sent for some time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeepAlive {
    pub(super) message: Message,
    pub(super) timeout: Duration,
    /// Whether the message is sent regularly, even if others were sent.
    pub(super) is_interval: bool,
}

/// The default timeout of a keep-alive, in seconds.
const IDLE: u64 = 55;

/// The reason why a control message is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ignored(pub(super) &'static str);

impl Control {
    /// Reads the text after `c:`.
    pub(super) fn read(text: &[u8]) -> Result<Self, Ignored> {
        let fields: Map<String, Value> =
            serde_json::from_slice(text).map_err(|_| Ignored("it is not a JSON object"))?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let owned = |name: &str| text(name).map(str::to_owned);
        let channel = || {
            let channel = owned("channel").filter(|channel| !channel.is_empty());
            channel.ok_or(Ignored("its channel is missing"))
        };
        match text("type").unwrap_or_default() {
            "subscribe" => {
                let filters = fields.get("filters").and_then(Value::as_array);
                let filters = filters.into_iter().flatten();
                let mut filters = filters.filter_map(Value::as_str).peekable();
                Ok(Self::Subscribe {
                    channel: channel()?,
                    skips_self: filters.any(|filter| filter == "skip-self"),
                })
            }
            "unsubscribe" => Ok(Self::Unsubscribe {
                channel: channel()?,
            }),
            "detach" => Ok(Self::Detach),
            "set-meta" => Ok(Self::SetMeta {
                name: owned("name").ok_or(Ignored("its name is missing"))?,
                value: owned("value").unwrap_or_default(),
            }),
            "keep-alive" => Ok(Self::KeepAlive(KeepAlive::of(&fields)?)),
            _ => Err(Ignored("its type is unknown")),
        }
    }
}

impl KeepAlive {
    fn of(fields: &Map<String, Value>) -> Result<Option<Self>, Ignored> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let bytes = match (text("content"), text("content-bin")) {
            (Some(content), _) => Bytes::copy_from_slice(content.as_bytes()),
            (None, Some(content)) => {
                let decoded = STANDARD.decode(content);
                decoded
                    .map_err(|_| Ignored("its content-bin is not base64"))?
                    .into()
            }
            (None, None) => return Ok(None),
        };
        let is_binary = text("message-type") == Some("binary") || text("content").is_none();
        let message = match ByteString::try_from(bytes.clone()) {
            Ok(content) if !is_binary => Message::Text(content),
            _ => Message::Binary(bytes),
        };
        let timeout = fields.get("timeout").and_then(Value::as_u64);
        let timeout = timeout.filter(|timeout| *timeout > 0).unwrap_or(IDLE);
        Ok(Some(Self {
            message,
            timeout: Duration::from_secs(timeout),
            is_interval: text("mode") == Some("interval"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_control_messages_are_read_and_others_are_errors() {
        let subscribe = |skips_self| Control::Subscribe {
            channel: "news".into(),
            skips_self,
        };
        let alive = |message, seconds, is_interval| {
            Control::KeepAlive(Some(KeepAlive {
                message,
                timeout: Duration::from_secs(seconds),
                is_interval,
            }))
        };
        for (text, read) in [
            (
                r#"{"type":"subscribe","channel":"news"}"#,
                Ok(subscribe(false)),
            ),
            (
                r#"{"type":"subscribe","channel":"news","filters":["skip-self","x"]}"#,
                Ok(subscribe(true)),
            ),
            (
                r#"{"type":"unsubscribe","channel":"news"}"#,
                Ok(Control::Unsubscribe {
                    channel: "news".into(),
                }),
            ),
            (r#"{"type":"detach"}"#, Ok(Control::Detach)),
            (
                r#"{"type":"set-meta","name":"a","value":"b"}"#,
                Ok(Control::SetMeta {
                    name: "a".into(),
                    value: "b".into(),
                }),
            ),
            (
                r#"{"type":"keep-alive","content":"{}","timeout":30}"#,
                Ok(alive("{}".into(), 30, false)),
            ),
            (
                r#"{"type":"keep-alive","content-bin":"AP8=","mode":"interval"}"#,
                Ok(alive(Message::binary(&b"\0\xff"[..]), 55, true)),
            ),
            (r#"{"type":"keep-alive"}"#, Ok(Control::KeepAlive(None))),
            (
                r#"{"type":"subscribe"}"#,
                Err(Ignored("its channel is missing")),
            ),
            (r#"{"type":"jump"}"#, Err(Ignored("its type is unknown"))),
            ("[]", Err(Ignored("it is not a JSON object"))),
            ("", Err(Ignored("it is not a JSON object"))),
        ] {
            assert_eq!(Control::read(text.as_bytes()), read, "{text}");
        }
    }
}
