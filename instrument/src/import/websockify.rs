//! The files of `websockify --record`: a JavaScript list of the messages in both directions.
//!
//! ```text
//!   var VNC_frame_encoding = 'base64';     in old versions
//!   var VNC_frame_data = [
//!   '{17{RFB 003.008\n',                   to the client, 17 ms after the beginning
//!   '}21}RFB 003.008\n',                   from the client
//!   'EOF'];
//! ```

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use thiserror::Error;

use super::dry_run::DryRun;
use super::header::header;
use crate::pcap::Peer;
use crate::transcript::{Action, AppKind, Content, Line, Part, Segment, Step, Transcript};

/// The request that replaces the opening handshake, which was not recorded.
const REQUEST: &str = "GET /websockify HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: binary\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The reason for which a file is not a recording.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file does not contain the list.
    #[error("no `var VNC_frame_data = [`, with which websockify's recordings begin")]
    NoList,
    /// An element of the list is invalid.
    #[error("line {line}: {problem}")]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// The fault.
        problem: &'static str,
    },
}

/// A recording.
#[derive(Debug)]
pub(super) struct Recording {
    frames: Vec<Frame>,
    /// True if the end was recorded.
    pub(super) is_complete: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Frame {
    at: Duration,
    from: Peer,
    payload: Bytes,
}

impl Recording {
    pub(super) fn parse(text: &str) -> Result<Self, RecordingError> {
        let mut is_base64 = false;
        let mut is_list = false;
        let mut recording = Self {
            frames: Vec::new(),
            is_complete: false,
        };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if let Some(value) = line.strip_prefix("var VNC_frame_encoding") {
                is_base64 = value.contains("base64");
            } else if let Some(rest) = line.strip_prefix("var VNC_frame_data") {
                is_list = rest.trim_start_matches([' ', '=']).starts_with('[');
            } else if is_list && !recording.is_complete && !line.is_empty() {
                let error = |problem| RecordingError::Line {
                    line: number,
                    problem,
                };
                let element = element(line).map_err(error)?;
                if element == b"EOF" {
                    recording.is_complete = true;
                } else {
                    recording
                        .frames
                        .push(frame(&element, is_base64).map_err(error)?);
                }
            }
        }
        if is_list {
            Ok(recording)
        } else {
            Err(RecordingError::NoList)
        }
    }

    /// Creates a session in rfc6455 from the payloads.
    pub(super) fn transcript(self, source: &str) -> Transcript {
        let mut dry_run = DryRun::new(AppKind::Script, false);
        let mut steps: Vec<Step> = REQUEST
            .split_inclusive('\n')
            .map(|line| Step::Client(Line::bytes(line)))
            .collect();
        let seen = dry_run.receive(REQUEST.as_bytes());
        steps.extend(dry_run.take_said().map(Step::Server));
        steps.extend(seen);
        steps.push(Step::Wait);
        let mut now = Duration::ZERO;
        for Frame { at, from, payload } in self.frames {
            let pause = at.saturating_sub(now);
            now = now.max(at);
            let line = |bytes: Bytes| Line {
                segment: if pause.is_zero() {
                    Segment::Begins
                } else {
                    Segment::BeginsAfter(pause)
                },
                content: Content::Bytes(vec![Part::Bytes(bytes)]),
            };
            match from {
                Peer::Client => {
                    let frame = masked(&payload);
                    let seen = dry_run.receive(&frame);
                    steps.push(Step::Client(line(frame)));
                    steps.extend(seen);
                }
                Peer::Server => {
                    let parts = if payload.is_empty() {
                        Vec::new()
                    } else {
                        vec![Part::Bytes(payload)]
                    };
                    let action = Action::Binary(parts);
                    dry_run.act(&action);
                    steps.push(Step::Does(action));
                    let said = dry_run.take_said();
                    steps.extend(said.map(Step::Server));
                }
            }
        }
        let note = "websockify records payloads only: the opening handshake and the frames are \
                    generated, and segments are unknown";
        let headers = vec![
            header("client", "unknown, through websockify"),
            header("source", source),
            header("protocol", "rfc6455"),
            header("app", "script"),
            header("note", note),
        ];
        Transcript { headers, steps }
    }
}

/// Encodes a binary frame of a client, with a masking key of zeros.
fn masked(payload: &Bytes) -> Bytes {
    let mut frame = vec![0x82];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ ..=125), _) => frame.push(0x80 | len),
        (_, Ok(len)) => {
            frame.push(0xfe);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame.into()
}

/// Parses a JavaScript string in quotes that is followed by a comma or the end of the list.
fn element(line: &str) -> Result<Vec<u8>, &'static str> {
    let line = line.trim_end_matches([',', ';', ']', ' ']);
    let mut chars = line.chars();
    let quote = chars.next().filter(|quote| matches!(quote, '\'' | '"'));
    let quote = quote.ok_or("a string in quotes is expected")?;
    let mut bytes = Vec::new();
    loop {
        let byte = match chars.next().ok_or("the string does not end")? {
            '\\' => match chars.next().ok_or("the string does not end")? {
                'n' => b'\n',
                'r' => b'\r',
                't' => b'\t',
                'x' => {
                    let digits: String = chars.by_ref().take(2).collect();
                    u8::from_str_radix(&digits, 16)
                        .map_err(|_| "two hex digits are expected after \\x")?
                }
                other @ ('\\' | '\'' | '"') => other as u8,
                _ => return Err("an escape that websockify does not write"),
            },
            end if end == quote => break,
            // Each character is one byte.
            other => u8::try_from(u32::from(other)).map_err(|_| "a character above U+00FF")?,
        };
        bytes.push(byte);
    }
    if chars.next().is_some() {
        return Err("unexpected text after the string");
    }
    Ok(bytes)
}

/// Parses `{TIME{PAYLOAD` or `}TIME}PAYLOAD`.
fn frame(element: &[u8], is_base64: bool) -> Result<Frame, &'static str> {
    let (from, sign) = match element.first() {
        Some(b'{') => (Peer::Server, b'{'),
        Some(b'}') => (Peer::Client, b'}'),
        _ => return Err("an element must begin with { or }, and the time"),
    };
    let mut parts = element.splitn(3, |byte| *byte == sign).skip(1);
    let (Some(time), Some(payload)) = (parts.next(), parts.next()) else {
        return Err("the time does not end with the sign before it");
    };
    let time = std::str::from_utf8(time)
        .ok()
        .and_then(|time| time.parse().ok());
    let time = time.ok_or("the time is not a number of milliseconds")?;
    let payload = if is_base64 {
        STANDARD
            .decode(payload)
            .map_err(|_| "the payload is not base64")?
    } else {
        payload.to_vec()
    };
    Ok(Frame {
        at: Duration::from_millis(time),
        from,
        payload: payload.into(),
    })
}
