//! The lines of a tap, as JSON and as text.

use std::fmt::Write;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use polysock::protocols::Secrets;
use polysock::{HandshakeBytes, Registry, TapEnd, TapEvent, TapFrame, TapKind, TapWhat};
use serde_json::{Map, Value};

use crate::log::{time_of, visible};

/// A formatter of tap events.
#[derive(Debug)]
pub(super) struct Lines {
    registry: Registry,
    keep_secrets: bool,
}

impl Lines {
    pub(super) fn new(registry: Registry, keep_secrets: bool) -> Self {
        Self {
            registry,
            keep_secrets,
        }
    }

    /// Formats an event as JSON.
    pub(super) fn of(&self, event: &TapEvent) -> Value {
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| {
            line.insert(name.to_owned(), value);
        };
        put("time", time_of(event.at).into());
        let since = event.at.duration_since(SystemTime::UNIX_EPOCH);
        let micros = u64::try_from(since.unwrap_or_default().as_micros());
        put("unix_us", micros.unwrap_or_default().into());
        put("id", event.connection.to_string().into());
        put(
            "end",
            match event.end {
                TapEnd::Client => "client",
                TapEnd::Upstream => "upstream",
            }
            .into(),
        );
        match &event.what {
            TapWhat::Begun {
                protocol,
                handshake,
            } => {
                put("what", "begun".into());
                put("protocol", (*protocol).into());
                if let Some(connection) = self.registry.connection(event.connection) {
                    put("peer", connection.peer.into());
                    put("target", connection.target.into());
                }
                if let Some(handshake) = handshake {
                    let HandshakeBytes { received, sent } = self.masked(handshake);
                    put("handshake_received", STANDARD.encode(received).into());
                    put("handshake_sent", STANDARD.encode(sent).into());
                }
            }
            TapWhat::Received(frame) => {
                put("way", "received".into());
                put_frame(&mut put, frame);
            }
            TapWhat::Sent(frame) => {
                put("way", "sent".into());
                put_frame(&mut put, frame);
            }
            TapWhat::Failed { error, wire } => {
                put("what", "failed".into());
                put("error", (&**error).into());
                put_wire(&mut put, wire);
            }
            TapWhat::HungUp => put("what", "hung up".into()),
            TapWhat::Ended => put("what", "ended".into()),
            _ => put("what", "something new".into()),
        }
        line.into()
    }

    /// Masks the secrets of an opening handshake with as many `x`.
    fn masked(&self, handshake: &HandshakeBytes) -> HandshakeBytes {
        if self.keep_secrets {
            return handshake.clone();
        }
        let mut secrets = Secrets::default();
        secrets.collect(&handshake.received);
        secrets.collect(&handshake.sent);
        let masked = |bytes: &Bytes| {
            let mut bytes = bytes.to_vec();
            secrets.replace(&mut bytes);
            Bytes::from(bytes)
        };
        HandshakeBytes {
            received: masked(&handshake.received),
            sent: masked(&handshake.sent),
        }
    }
}

fn put_frame(put: &mut impl FnMut(&str, Value), frame: &TapFrame) {
    let what = match &frame.kind {
        TapKind::Text => "text",
        TapKind::Binary => "binary",
        TapKind::Ping => "ping",
        TapKind::Pong => "pong",
        TapKind::Close(close) => {
            if let Some(close) = close {
                put("code", close.code.get().into());
                put("reason", (&*close.reason).into());
            }
            "close"
        }
    };
    put("what", what.into());
    put("bytes", frame.len.into());
    put("wire_bytes", frame.wire_len.into());
    if !frame.is_end {
        put("continues", true.into());
    }
    if !frame.payload.is_empty() {
        // A text may end amid a character: we truncate payloads, and fragments may end anywhere.
        let valid = match std::str::from_utf8(&frame.payload) {
            Ok(text) => Some(text),
            Err(error) if frame.kind == TapKind::Text => {
                let valid = frame.payload.get(..error.valid_up_to());
                valid.and_then(|valid| std::str::from_utf8(valid).ok())
            }
            Err(_) => None,
        };
        match valid {
            Some(text) => put("payload", text.into()),
            None => put("payload_base64", STANDARD.encode(&frame.payload).into()),
        }
    }
    put_wire(put, &frame.wire);
}

fn put_wire(put: &mut impl FnMut(&str, Value), wire: &Bytes) {
    if !wire.is_empty() {
        put("wire", STANDARD.encode(wire).into());
    }
}

/// Formats a line of JSON as text. Control characters are escaped, so nothing steers the terminal.
pub(crate) fn text_of(line: &Value) -> String {
    let of = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or_default();
    let what = of("what");
    let mut text = String::new();
    // Writing to a string cannot fail.
    match what {
        "missed" => {
            let _ = writeln!(text, "{} events were missed here", number("events"));
            return text;
        }
        "over" => {
            let _ = writeln!(text, "tap ended: {}", visible(of("reason")));
            return text;
        }
        _ => {}
    }
    let clock = of("time").get(11..23).unwrap_or_default();
    // The arrow to the right points towards the upstream.
    let arrow = match (of("end"), of("way")) {
        (_, "") => ' ',
        ("client", "received") | ("upstream", "sent") => '→',
        _ => '←',
    };
    let _ = write!(text, "{clock} {} {:<8} {arrow} {what}", of("id"), of("end"));
    let bytes = |name: &str| {
        let text = line.get(name).and_then(Value::as_str)?;
        STANDARD.decode(text).ok()
    };
    match what {
        "begun" => {
            let _ = write!(text, " {}", of("protocol"));
            for name in ["peer", "target"] {
                let _ = write!(text, " {}", visible(of(name)));
            }
        }
        "failed" => {
            let _ = write!(text, ": {}", visible(of("error")));
        }
        "close" if line.get("code").is_some() => {
            let _ = write!(text, " {} {}", number("code"), visible(of("reason")));
        }
        "text" | "binary" | "ping" | "pong" => {
            let _ = write!(text, " {} B", number("bytes"));
            if line.get("continues").is_some() {
                text.push_str(", continues");
            }
            if line.get("payload").is_some() {
                let _ = write!(text, " {}", visible(of("payload")));
            }
            if let Some(bytes) = bytes("payload_base64") {
                let _ = write!(text, " {}", hex(&bytes));
            }
        }
        _ => {}
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    for name in ["handshake_received", "handshake_sent"] {
        let Some(bytes) = bytes(name) else { continue };
        let bytes = String::from_utf8_lossy(&bytes).into_owned();
        for part in bytes.lines().filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "    {}", visible(part));
        }
    }
    if let Some(bytes) = bytes("wire") {
        let _ = writeln!(
            text,
            "    wire {} B {}",
            number("wire_bytes").max(bytes.len() as u64),
            hex(&bytes)
        );
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(3 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x} ");
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use polysock::{Close, CloseCode};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_json_line_is_rendered_as_text() {
        let line = json!({
            "time": "2026-11-29T12:00:01.003Z", "id": "a3f9c2-1f", "end": "client", "way": "received",
            "what": "text", "bytes": 13, "wire_bytes": 15, "payload": "{\"op\":\"ping\"}",
        });
        let text = "12:00:01.003 a3f9c2-1f client   → text 13 B {\"op\":\"ping\"}\n";
        assert_eq!(text_of(&line), text);
        for (end, way, arrow) in [
            ("client", "sent", '←'),
            ("upstream", "received", '←'),
            ("upstream", "sent", '→'),
        ] {
            let line = json!({ "time": "", "id": "x", "end": end, "way": way, "what": "ping", "bytes": 0 });
            assert!(text_of(&line).contains(arrow), "{line}");
        }
        let line = json!({
            "time": "", "id": "x", "end": "client", "way": "received", "what": "text", "bytes": 9,
            "payload": "\u{1b}[2J\u{202e}",
        });
        assert!(!text_of(&line).contains(['\u{1b}', '\u{202e}']), "{line}");
    }

    #[test]
    fn a_payload_cut_within_a_character_is_shown_up_to_it() {
        let frame = |kind, payload: &'static [u8]| TapFrame {
            kind,
            len: payload.len(),
            wire_len: payload.len() + 2,
            is_end: true,
            payload: Bytes::from_static(payload),
            wire: Bytes::new(),
        };
        let line = |frame: &TapFrame| {
            let mut line = Map::new();
            put_frame(
                &mut |name, value| {
                    line.insert(name.to_owned(), value);
                },
                frame,
            );
            line
        };
        let text = line(&frame(TapKind::Text, b"Gr\xc3"));
        assert_eq!(text.get("payload"), Some(&"Gr".into()));
        let binary = line(&frame(TapKind::Binary, b"\xff\0"));
        assert_eq!(binary.get("payload_base64"), Some(&"/wA=".into()));
        let close = Close::new(CloseCode::NORMAL, "bye");
        let close = line(&frame(TapKind::Close(Some(close)), b""));
        assert_eq!(close.get("code"), Some(&1000.into()));
        assert_eq!(close.get("reason"), Some(&"bye".into()));
    }

    #[test]
    fn secrets_of_a_handshake_are_masked_unless_they_are_kept() {
        let handshake = HandshakeBytes {
            received: Bytes::from_static(
                b"GET /?token=abcdefg HTTP/1.1\r\nCookie: id=hijklmn\r\n\r\n12345678",
            ),
            sent: Bytes::from_static(
                b"HTTP/1.1 101 x\r\nSec-WebSocket-Location: ws://h/?token=abcdefg\r\n\r\n",
            ),
        };
        let masked = Lines::new(Registry::default(), false).masked(&handshake);
        for bytes in [&masked.received, &masked.sent] {
            let text = String::from_utf8_lossy(bytes);
            assert!(
                !text.contains("abcdefg") && !text.contains("hijklmn"),
                "{text}"
            );
        }
        assert!(masked.received.ends_with(b"12345678"));
        assert_eq!(masked.received.len(), handshake.received.len());
        let kept = Lines::new(Registry::default(), true).masked(&handshake);
        assert_eq!(kept, handshake);
    }

    #[test]
    fn a_time_has_milliseconds() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_003);
        assert_eq!(time_of(at), "1970-01-01T00:00:01.003Z");
    }
}
