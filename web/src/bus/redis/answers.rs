//! The answers of Redis.

use bytes::Bytes;
use polysock::bus::{Event, Place, Topic};
use redis::{ServerError, Value};
use thiserror::Error;

/// The request that an answer belongs to.
#[derive(Debug)]
pub(super) enum Question {
    /// A `PING`.
    IsThere,
    /// A subscription. If it `has_last`, a second answer follows: the offset of the last message.
    Subscribed {
        topic: Topic,
        has_last: bool,
    },
    Unsubscribed,
    Published {
        ticket: u64,
    },
    /// A past. The first answer is the offset of the last message, the second the messages.
    Past {
        ticket: u64,
        after: u64,
    },
}

/// The reason for which the connection is of no more use.
#[derive(Debug, Error)]
pub(super) enum AnswerError {
    /// Redis has refused a command.
    #[error("Redis: {0}")]
    Refused(ServerError),
    /// The answers do not match the requests.
    #[error("the answers of Redis do not match the requests")]
    Unknown,
}

/// The error codes of temporary states, such as a replica or a server that is loading. A later
/// connection can succeed.
const FOR_A_WHILE: &[&str] = &[
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "NOREPLICAS",
    // A `SCRIPT FLUSH` in the middle of a batch.
    "NOSCRIPT",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
];

/// Turns the answers to these questions into events.
pub(super) fn events(
    questions: Vec<Question>,
    answers: Vec<Value>,
) -> Result<Vec<Event>, AnswerError> {
    let mut answers = answers.into_iter();
    let mut next = || answers.next().ok_or(AnswerError::Unknown);
    let mut events = Vec::with_capacity(questions.len());
    for question in questions {
        let answer = next()?;
        let event = match question {
            Question::IsThere | Question::Unsubscribed => {
                taken(answer)?;
                continue;
            }
            Question::Published { ticket } => match answer {
                Value::ServerError(error) => refused(ticket, error)?,
                _ => Event::Published { ticket },
            },
            // A client without permission for the bare channel still receives what nodes publish.
            Question::Subscribed {
                topic: topic @ Topic::Bare(_),
                ..
            } => Event::Subscribed { topic, last: None },
            Question::Subscribed { topic, has_last } => {
                taken(answer)?;
                let last = if has_last { number(next()?)? } else { None };
                Event::Subscribed { topic, last }
            }
            Question::Past { ticket, after } => past(ticket, after, answer, next()?)?,
        };
        events.push(event);
    }
    Ok(events)
}

/// Parses the place at the start of a message, `OFFSET PREVIOUS:` or `:`, and returns it with the
/// place's length.
pub(super) fn place(message: &[u8]) -> Option<(Option<Place>, usize)> {
    let end = message.iter().take(64).position(|byte| *byte == b':')?;
    let head = str::from_utf8(message.get(..end)?).ok()?;
    let place = match head.split_once(' ') {
        Some((offset, previous)) => Some(Place {
            offset: offset.parse().ok()?,
            previous: previous.parse().ok()?,
        }),
        None => None,
    };
    Some((place, end + 1))
}

/// Returns the event for a message that Redis has refused, or an error if the reason is temporary.
fn refused(ticket: u64, error: ServerError) -> Result<Event, AnswerError> {
    let code = error.code();
    if FOR_A_WHILE.contains(&code) {
        return Err(AnswerError::Refused(error));
    }
    let reason = if matches!(code, "MOVED" | "ASK" | "CROSSSLOT") {
        format!("this Redis is part of a cluster, which does not support a history ({error})")
    } else {
        format!("Redis: {error}")
    };
    Ok(Event::Refused { ticket, reason })
}

fn past(ticket: u64, after: u64, last: Value, entries: Value) -> Result<Event, AnswerError> {
    let last = number(last)?;
    let Value::Array(entries) = taken(entries)? else {
        return Err(AnswerError::Unknown);
    };
    let entries = entries.into_iter().map(entry);
    let entries: Option<Vec<(Place, Bytes)>> = entries.collect();
    let entries = entries.ok_or(AnswerError::Unknown)?;
    let is_whole = match (entries.first(), last) {
        (Some((first, _)), _) => first.previous == after,
        // The messages were kept once, but have been removed.
        (None, Some(last)) => last <= after,
        (None, None) => after == 0,
    };
    Ok(Event::Past {
        ticket,
        entries: entries
            .into_iter()
            .map(|(place, envelope)| (place.offset, envelope))
            .collect(),
        is_whole,
    })
}

/// Parses an entry of a stream: its id, `OFFSET-0`, and the fields `p`, the offset before it, and
/// `e`, the message.
fn entry(entry: Value) -> Option<(Place, Bytes)> {
    let Value::Array(parts) = entry else {
        return None;
    };
    let [Value::BulkString(id), Value::Array(fields)] = <[Value; 2]>::try_from(parts).ok()? else {
        return None;
    };
    let [
        _,
        Value::BulkString(previous),
        _,
        Value::BulkString(envelope),
    ] = <[Value; 4]>::try_from(fields).ok()?
    else {
        return None;
    };
    let (offset, _) = str::from_utf8(&id).ok()?.split_once('-')?;
    let place = Place {
        offset: offset.parse().ok()?,
        previous: str::from_utf8(&previous).ok()?.parse().ok()?,
    };
    Some((place, envelope.into()))
}

fn number(answer: Value) -> Result<Option<u64>, AnswerError> {
    match taken(answer)? {
        Value::Nil => Ok(None),
        Value::BulkString(text) => {
            let number = str::from_utf8(&text)
                .ok()
                .and_then(|text| text.parse().ok());
            number.map(Some).ok_or(AnswerError::Unknown)
        }
        _ => Err(AnswerError::Unknown),
    }
}

fn taken(answer: Value) -> Result<Value, AnswerError> {
    match answer {
        Value::ServerError(error) => Err(AnswerError::Refused(error)),
        answer => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn kept(offset: u64, previous: u64) -> Value {
        let fields = ["p", &previous.to_string(), "e", "hello"].map(bulk);
        let id = bulk(&format!("{offset}-0"));
        Value::Array(vec![id, Value::Array(fields.to_vec())])
    }

    #[test]
    fn a_message_carries_its_place() {
        let at = |offset, previous| Some(Place { offset, previous });
        for (message, expected) in [
            (":hello", Some((None, 1))),
            (":", Some((None, 1))),
            (
                "1795883968000000 17:a:b",
                Some((at(1_795_883_968_000_000, 17), 20)),
            ),
            ("hello", None),
            ("a b:c", None),
            ("1 :c", None),
            ("", None),
        ] {
            assert_eq!(place(message.as_bytes()), expected, "{message}");
        }
    }

    #[test]
    fn a_history_is_complete_if_it_follows_the_last_known_message() {
        for (after, last, entries, whole) in [
            (5, Some(9), vec![kept(8, 5), kept(9, 8)], true),
            (4, Some(9), vec![kept(8, 5)], false),
            (0, Some(8), vec![kept(8, 0)], true),
            (0, Some(8), vec![kept(8, 5)], false),
            (9, Some(9), vec![], true),
            (5, Some(9), vec![], false),
            (0, None, vec![], true),
            (5, None, vec![], false),
        ] {
            let told = format!("{after} {last:?} {entries:?}");
            let questions = vec![Question::Past { ticket: 3, after }];
            let last = last.map_or(Value::Nil, |last: u64| bulk(&last.to_string()));
            let events = events(questions, vec![last, Value::Array(entries)]).unwrap();
            let [
                Event::Past {
                    ticket: 3,
                    is_whole,
                    ..
                },
            ] = &events[..]
            else {
                panic!("{events:?}");
            };
            assert_eq!(*is_whole, whole, "{told}");
        }
    }
}
