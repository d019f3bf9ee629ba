//! The messages from clients.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::args::Args;
use super::limits::Limits;
use super::message_error::MessageError;
use super::session_id::SessionId;

/// A message from a client. Values are kept as they were written.
///
/// ```
/// use polysock::apps::wamp::{ClientMessage, Limits};
///
/// let text = r#"[7,"http://example.com/prices",{"ACME":1e400}]"#;
/// match ClientMessage::read(text, &Limits::default()) {
///     Ok(ClientMessage::Publish { topic, event, .. }) => {
///         assert_eq!(topic, "http://example.com/prices");
///         assert_eq!(event.get(), r#"{"ACME":1e400}"#);
///     }
///     _ => panic!("it is an event"),
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum ClientMessage<'a> {
    /// The definition of a URI prefix.
    Prefix {
        /// The prefix.
        prefix: Cow<'a, str>,
        /// The beginning of URIs that it replaces.
        uri: Cow<'a, str>,
    },
    /// A call of a procedure.
    Call {
        /// The id that the answer repeats: a string, a number, or one of `true`, `false` and
        /// `null`.
        id: &'a RawValue,
        /// The procedure, by its URI or shortened with a prefix.
        procedure: Cow<'a, str>,
        /// The arguments.
        args: Args<'a>,
    },
    /// A subscription to a topic.
    Subscribe {
        /// The topic, by its URI or shortened with a prefix.
        topic: Cow<'a, str>,
    },
    /// The end of a subscription.
    Unsubscribe {
        /// The topic, by its URI or shortened with a prefix.
        topic: Cow<'a, str>,
    },
    /// An event for the subscribers of a topic.
    Publish {
        /// The topic, by its URI or shortened with a prefix.
        topic: Cow<'a, str>,
        /// The event.
        event: &'a RawValue,
        /// The sessions that do not receive it.
        exclude: Exclude,
        /// The only sessions that receive it; `None` if there is no such list.
        eligible: Option<SessionIds>,
    },
}

/// The sessions that do not receive an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclude {
    /// The element is missing, `null`, or of an unexpected type.
    Unsaid,
    /// The publisher if true, nobody if false.
    Publisher(bool),
    /// A list of sessions.
    Sessions(SessionIds),
}

/// A list of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionIds {
    /// The elements that are valid session ids.
    pub sessions: Vec<SessionId>,
    /// Whether the list has no elements at all.
    pub is_empty: bool,
}

impl<'a> ClientMessage<'a> {
    /// Reads a message. Excess elements are ignored.
    ///
    /// # Errors
    ///
    /// The text is no client message, or exceeds one of the limits.
    pub fn read(text: &'a str, limits: &Limits) -> Result<Self, MessageError> {
        let (elements, count) = elements(text, limits.arguments + 3)?;
        // A shorter text cannot be nested so deeply.
        if text.len() > limits.depth && depth(text) > limits.depth {
            return Err(MessageError::TooMany {
                what: "nested lists and objects",
                max: limits.depth,
            });
        }
        let kind = elements.first().map_or("", |kind| kind.get());
        let uri = |message: &'static str, element: &'static str, raw: &'a RawValue| {
            let uri = string(raw).ok_or(MessageError::Element {
                message,
                element,
                wanted: "string",
            })?;
            within("URI", uri.len(), limits.uri)?;
            Ok(uri)
        };
        match (kind, &elements[..]) {
            ("1", [_, prefix, uri_of_prefix, ..]) => {
                let prefix = string(prefix).ok_or(MessageError::Element {
                    message: "PREFIX",
                    element: "prefix",
                    wanted: "string",
                })?;
                within("prefix", prefix.len(), limits.prefix_name)?;
                let uri = uri("PREFIX", "URI", uri_of_prefix)?;
                Ok(Self::Prefix { prefix, uri })
            }
            ("2", [_, id, procedure, ..]) => {
                if id.get().starts_with(['[', '{']) {
                    return Err(MessageError::Element {
                        message: "CALL",
                        element: "id",
                        wanted: "string or number",
                    });
                }
                within("call's id", id.get().len(), limits.call_id)?;
                let procedure = uri("CALL", "procedure", procedure)?;
                at_most("arguments", count - 3, limits.arguments)?;
                Ok(Self::Call {
                    id,
                    procedure,
                    args: Args::new(elements, 3),
                })
            }
            ("5", [_, topic, ..]) => Ok(Self::Subscribe {
                topic: uri("SUBSCRIBE", "topic", topic)?,
            }),
            ("6", [_, topic, ..]) => Ok(Self::Unsubscribe {
                topic: uri("UNSUBSCRIBE", "topic", topic)?,
            }),
            ("7", [_, topic, event, rest @ ..]) => Ok(Self::Publish {
                topic: uri("PUBLISH", "topic", topic)?,
                event,
                exclude: match rest.first().map(|raw| (raw, raw.get())) {
                    Some((_, "true")) => Exclude::Publisher(true),
                    Some((_, "false")) => Exclude::Publisher(false),
                    Some((list, text)) if text.starts_with('[') => {
                        Exclude::Sessions(SessionIds::read(list, limits)?)
                    }
                    // Autobahn and Ratchet ignore elements of other types.
                    _ => Exclude::Unsaid,
                },
                eligible: match rest.get(1) {
                    Some(list) if list.get().starts_with('[') => {
                        Some(SessionIds::read(list, limits)?)
                    }
                    _ => None,
                },
            }),
            _ => Err(misfit(kind, count)),
        }
    }
}

impl SessionIds {
    /// Reads a list, and ignores elements that are not session ids.
    fn read(list: &RawValue, limits: &Limits) -> Result<Self, MessageError> {
        let (elements, count) = elements(list.get(), limits.ids)?;
        at_most("sessions in a list", count, limits.ids)?;
        let named = elements.iter().filter_map(|element| string(element));
        Ok(Self {
            sessions: named.filter_map(|name| name.parse().ok()).collect(),
            is_empty: count == 0,
        })
    }
}

// Debug output must not reveal the content of messages in logs.
impl fmt::Debug for ClientMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix { .. } => "Prefix",
            Self::Call { .. } => "Call",
            Self::Subscribe { .. } => "Subscribe",
            Self::Unsubscribe { .. } => "Unsubscribe",
            Self::Publish { .. } => "Publish",
        })
    }
}

/// Returns the error for a message that does not fit, from its first element and its length.
fn misfit(kind: &str, elements: usize) -> MessageError {
    let (message, needed) = match kind {
        "0" => return MessageError::OfServers("WELCOME"),
        "1" => ("PREFIX", 3),
        "2" => ("CALL", 3),
        "3" => return MessageError::OfServers("CALLRESULT"),
        "4" => return MessageError::OfServers("CALLERROR"),
        "5" => ("SUBSCRIBE", 2),
        "6" => ("UNSUBSCRIBE", 2),
        "7" => ("PUBLISH", 3),
        "8" => return MessageError::OfServers("EVENT"),
        _ => return MessageError::Type,
    };
    MessageError::TooShort {
        message,
        elements,
        needed,
    }
}

/// Reads up to `max` elements of a list. Returns them, and the length of the list.
pub(super) fn elements(list: &str, max: usize) -> Result<(Vec<&RawValue>, usize), MessageError> {
    let mut json = serde_json::Deserializer::from_str(list);
    let read = Elements(max).deserialize(&mut json);
    let read = read.and_then(|read| json.end().map(|()| read));
    read.map_err(|error| match error.is_data() {
        true => MessageError::NotAList,
        false => MessageError::NotJson(error),
    })
}

/// Decodes a string; `None` if it is no string, or its escapes are invalid.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(raw.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

fn within(what: &'static str, len: usize, max: usize) -> Result<(), MessageError> {
    match len > max {
        true => Err(MessageError::TooLong { what, len, max }),
        false => Ok(()),
    }
}

fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), MessageError> {
    match count > max {
        true => Err(MessageError::TooMany { what, max }),
        false => Ok(()),
    }
}

/// Returns the nesting depth of lists and objects in JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next()
                    && byte != b'"'
                {
                    if byte == b'\\' {
                        bytes.next();
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// A deserializer for the elements of a list, with the number of elements to keep.
struct Elements(usize);

impl<'de> DeserializeSeed<'de> for Elements {
    type Value = (Vec<&'de RawValue>, usize);

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = (Vec<&'de RawValue>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::with_capacity(self.0.min(8));
        while elements.len() < self.0
            && let Some(element) = list.next_element()?
        {
            elements.push(element);
        }
        let mut count = elements.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((elements, count))
    }
}
