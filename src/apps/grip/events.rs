//! The events of WebSocket-over-HTTP, which are the bodies of requests and responses.
//!
//! ```text
//!   TYPE CRLF                       an event without content
//!   TYPE SP size CRLF content CRLF  an event with content; its size in bytes is hexadecimal
//! ```

use bytes::{Bytes, BytesMut};
use polysock_protocols::{Close, CloseCode};
use thiserror::Error;

/// The media type of events.
pub(super) const MEDIA_TYPE: &str = "application/websocket-events";

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The connection opens.
    Open,
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<Close>),
    /// The connection ended without a close.
    Disconnect,
}

/// The reason why a body does not consist of events.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum EventsError {
    #[error("a line has no end")]
    Line,
    #[error("an event has an unknown type")]
    Type,
    #[error("a size is not a hexadecimal number")]
    Size,
    #[error("a content is shorter than its size, or has no line end after it")]
    Content,
    #[error("a close has one byte, or its reason is not UTF-8")]
    Close,
}

impl Event {
    /// Returns the length of the content of a message, in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(content)
            | Self::Binary(content)
            | Self::Ping(content)
            | Self::Pong(content) => content.len(),
            Self::Open | Self::Close(_) | Self::Disconnect => 0,
        }
    }
}

/// Reads the events of a body.
pub(super) fn read(mut body: Bytes) -> Result<Vec<Event>, EventsError> {
    let mut events = Vec::new();
    while !body.is_empty() {
        let end = line_end(&body).ok_or(EventsError::Line)?;
        let line = body.split_to(end);
        skip_line_end(&mut body);
        let (kind, size) = match line.iter().position(|byte| *byte == b' ') {
            Some(at) => (line.slice(..at), Some(line.slice(at + 1..))),
            None => (line, None),
        };
        let content = match size {
            Some(size) => Some(content(&mut body, &size)?),
            None => None,
        };
        events.push(event(&kind, content)?);
    }
    Ok(events)
}

fn event(kind: &[u8], content: Option<Bytes>) -> Result<Event, EventsError> {
    let content = content.unwrap_or_default();
    let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
    Ok(match () {
        () if is("OPEN") => Event::Open,
        () if is("TEXT") => Event::Text(content),
        () if is("BINARY") => Event::Binary(content),
        () if is("PING") => Event::Ping(content),
        () if is("PONG") => Event::Pong(content),
        () if is("CLOSE") => match content.as_ref() {
            [] => Event::Close(None),
            content => Event::Close(close(content)?),
        },
        () if is("DISCONNECT") => Event::Disconnect,
        () => return Err(EventsError::Type),
    })
}

/// Reads the content of a close. Returns `None` if its code may not be sent, such as 0, which
/// django-grip sends if there is none.
fn close(content: &[u8]) -> Result<Option<Close>, EventsError> {
    let (code, reason) = content.split_first_chunk().ok_or(EventsError::Close)?;
    let reason = std::str::from_utf8(reason).map_err(|_| EventsError::Close)?;
    let code = CloseCode::new(u16::from_be_bytes(*code));
    Ok(code.map(|code| Close::new(code, reason)))
}

/// Splits off the content of this size, and the line end after it.
fn content(body: &mut Bytes, size: &[u8]) -> Result<Bytes, EventsError> {
    let size = std::str::from_utf8(size).map_err(|_| EventsError::Size)?;
    let is_hex = |size: &str| size.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = Some(size).filter(|size| is_hex(size));
    let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
    let size = size.ok_or(EventsError::Size)?;
    if body.len().saturating_sub(2) < size || body.get(size..size + 2) != Some(b"\r\n") {
        return Err(EventsError::Content);
    }
    let content = body.split_to(size);
    skip_line_end(body);
    Ok(content)
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|two| two == b"\r\n")
}

fn skip_line_end(body: &mut Bytes) {
    drop(body.split_to(2.min(body.len())));
}

/// Writes events as a body.
pub(super) fn written(events: &[Event]) -> Bytes {
    let mut body = BytesMut::new();
    for event in events {
        let (kind, content) = match event {
            Event::Open => ("OPEN", None),
            Event::Text(content) => ("TEXT", Some(content.clone())),
            Event::Binary(content) => ("BINARY", Some(content.clone())),
            Event::Ping(content) => ("PING", Some(content.clone())),
            Event::Pong(content) => ("PONG", Some(content.clone())),
            Event::Close(None) => ("CLOSE", None),
            Event::Close(Some(close)) => {
                let code = close.code.get().to_be_bytes();
                let content = [&code[..], close.reason.as_bytes()].concat();
                ("CLOSE", Some(content.into()))
            }
            Event::Disconnect => ("DISCONNECT", None),
        };
        body.extend_from_slice(kind.as_bytes());
        if let Some(content) = content {
            body.extend_from_slice(format!(" {:x}\r\n", content.len()).as_bytes());
            body.extend_from_slice(&content);
        }
        body.extend_from_slice(b"\r\n");
    }
    body.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_event() -> impl Strategy<Value = Event> {
        let content = || prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        prop_oneof![
            Just(Event::Open),
            content().prop_map(Event::Text),
            content().prop_map(Event::Binary),
            content().prop_map(Event::Ping),
            content().prop_map(Event::Pong),
            Just(Event::Close(None)),
            (3000_u16..5000, "[a-zé]{0,60}").prop_map(|(code, reason)| {
                Event::Close(CloseCode::new(code).map(|code| Close::new(code, reason)))
            }),
            Just(Event::Disconnect),
        ]
    }

    proptest! {
        #[test]
        fn written_events_are_read_back(events in prop::collection::vec(any_event(), 0..10)) {
            prop_assert_eq!(read(written(&events)), Ok(events));
        }

        #[test]
        fn garbage_is_an_error_or_events(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(body.into());
        }
    }

    #[test]
    fn events_are_encoded_as_in_pushpin() {
        let hello = Event::Text(Bytes::from("hello"));
        assert_eq!(written(std::slice::from_ref(&hello)), "TEXT 5\r\nhello\r\n");
        assert_eq!(written(&[Event::Open]), "OPEN\r\n");
        let long = Event::Binary(vec![b'x'; 300].into());
        assert!(written(&[long]).starts_with(b"BINARY 12c\r\nxxx"));
        let close = Event::Close(Some(Close::new(CloseCode::NORMAL, "fin")));
        assert_eq!(written(&[close]), &b"CLOSE 5\r\n\x03\xe8fin\r\n"[..]);
        // Pushpin omits the size of empty content. Names are not case-sensitive.
        for text in ["TEXT\r\n", "TEXT 0\r\n\r\n", "text 0\r\n\r\n"] {
            assert_eq!(read(Bytes::from(text)), Ok(vec![Event::Text(Bytes::new())]));
        }
        for text in ["CLOSE\r\n", "CLOSE 2\r\n\0\0\r\n"] {
            assert_eq!(read(Bytes::from(text)), Ok(vec![Event::Close(None)]));
        }
    }

    #[test]
    fn malformed_events_are_errors() {
        for (body, error) in [
            ("OPEN", EventsError::Line),
            ("\r\n", EventsError::Type),
            ("JUMP\r\n", EventsError::Type),
            ("TEXT x\r\n\r\n", EventsError::Size),
            ("TEXT +1\r\na\r\n", EventsError::Size),
            ("TEXT ffffffffffffffffff\r\na\r\n", EventsError::Size),
            ("TEXT ffffffffffffffff\r\na\r\n", EventsError::Content),
            ("TEXT 5\r\nhell\r\n", EventsError::Content),
            ("TEXT 4\r\nhello\r\n", EventsError::Content),
            ("CLOSE 1\r\na\r\n", EventsError::Close),
        ] {
            assert_eq!(read(Bytes::from(body)), Err(error), "{body:?}");
        }
    }
}
