//! Lines in the combined format of Apache and nginx.

use std::fmt::{Debug, Write as _};

use tracing::Event;
use tracing::field::{Field, Visit};

use super::clock::push_common_time;
use super::kind::Kind;

/// Writes an event in the combined log format:
/// `%h - - [%t] "%r" %>s %b "%{Referer}i" "%{User-agent}i"`.
/// The client's origin is written as the referrer. A WebSocket has one line, at its close. Returns
/// false if the event has no line.
pub(super) fn push_common(line: &mut String, event: &Event<'_>, kind: Kind) -> bool {
    if kind == Kind::Open {
        return false;
    }
    let mut fields = Fields::default();
    event.record(&mut fields);
    let Fields {
        peer,
        method,
        target,
        over,
        status,
        sent,
        origin,
        user_agent,
    } = fields;
    let is_http2 = over == "HTTP/2" || (kind == Kind::Close && status == Some(200));
    // RFC 6455 §4.2.2, RFC 8441 §5: the method that requests a WebSocket, and the status that
    // accepts it.
    let (asked, accepted) = match is_http2 {
        true => ("CONNECT", 200),
        false => ("GET", 101),
    };
    let status = status.or((kind == Kind::Close).then_some(accepted));
    let address = match peer.rsplit_once(':') {
        Some((address, port)) if !address.contains(':') && !port.is_empty() => address,
        // An IPv6 address with a port is in brackets.
        _ => peer.split_once(']').map_or(&*peer, |(address, _)| address),
    };
    push_or_dash(line, address.trim_start_matches('['));
    line.push_str(" - - [");
    push_common_time(line);
    line.push_str("] \"");
    match target.is_empty() {
        true => line.push('-'),
        false => {
            push_escaped(line, if method.is_empty() { asked } else { &method });
            line.push(' ');
            push_escaped(line, &target);
            line.push_str(if is_http2 { " HTTP/2.0" } else { " HTTP/1.1" });
        }
    }
    line.push_str("\" ");
    push_number(line, status);
    line.push(' ');
    push_number(line, sent);
    for text in [origin, user_agent] {
        line.push_str(" \"");
        push_or_dash(line, &text);
        line.push('"');
    }
    true
}

fn push_number(line: &mut String, number: Option<u64>) {
    match number {
        Some(number) => line.push_str(itoa::Buffer::new().format(number)),
        None => line.push('-'),
    }
}

fn push_or_dash(line: &mut String, text: &str) {
    match text.is_empty() {
        true => line.push('-'),
        false => push_escaped(line, text),
    }
}

/// Escapes like nginx: parsers of this format only look for the next quotation mark.
fn push_escaped(line: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if !matches!(byte, b'"' | b'\\') => line.push(byte.into()),
            // Writing to a string cannot fail.
            _ => _ = write!(line, "\\x{byte:02X}"),
        }
    }
}

#[derive(Default)]
struct Fields {
    peer: String,
    method: String,
    target: String,
    over: String,
    status: Option<u64>,
    sent: Option<u64>,
    origin: String,
    user_agent: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let text = match field.name() {
            "peer" => &mut self.peer,
            "method" => &mut self.method,
            "target" => &mut self.target,
            "over" => &mut self.over,
            "origin" => &mut self.origin,
            "user_agent" => &mut self.user_agent,
            _ => return,
        };
        value.clone_into(text);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "status" => self.status = Some(value),
            "sent" => self.sent = Some(value),
            _ => {}
        }
    }

    fn record_bool(&mut self, _: &Field, _: bool) {}

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "peer" {
            self.peer = format!("{value:?}");
        }
    }
}
