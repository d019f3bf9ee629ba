//! The steps of a transcript, made from recorded events and the results of a dry run.

use std::time::Duration;

use bytes::Bytes;

use super::event::Event;
use super::event_result::EventResult;
use crate::head;
use crate::pcap::Peer;
use crate::transcript::{Content, Line, Part, Segment, Step, expand};

/// The longest pause that a transcript can have.
const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// The shortest pause that is kept.
const MIN_PAUSE: Duration = Duration::from_millis(1);

/// Creates the steps of a transcript. Observations of the application are included if the handshake
/// was accepted.
pub(super) fn steps(events: &[Event], results: &[EventResult], is_accepted: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut now = events.first().map_or(Duration::ZERO, |event| event.at);
    // Whether the server has sent an answer that the client may have waited for.
    let mut answered = false;
    let mut said = 0;
    for (event, result) in events.iter().zip(results) {
        let pause = event.at.saturating_sub(now);
        now = event.at;
        if event.from == Peer::Client && answered && result.recorded <= said {
            steps.push(Step::Wait);
            answered = false;
        }
        said = result.said;
        steps.extend(result.actions.iter().cloned().map(Step::Does));
        answered |= event.from == Peer::Server;
        let begins = match (steps.last(), event.from) {
            _ if pause >= MIN_PAUSE => Segment::BeginsAfter(whole_micros(pause)),
            (Some(Step::Client(_)), Peer::Client) | (Some(Step::Server(_)), Peer::Server) => {
                Segment::Begins
            }
            _ => Segment::Continues,
        };
        let mut lines = lines(event);
        if let Some(line) = lines.first_mut() {
            line.segment = begins;
        }
        steps.extend(lines.into_iter().map(|line| match event.from {
            Peer::Client => Step::Client(line),
            Peer::Server => Step::Server(line),
        }));
        let of_connection = |step: &&Step| match step {
            Step::Refused(refusal) => refusal.status.is_none(),
            _ => true,
        };
        let seen = result.seen.iter().filter(of_connection).cloned();
        steps.extend(seen.filter(|_| is_accepted));
    }
    steps
}

/// Puts a wildcard in place of a value that varies: the date of an ordinary answer, the port of a
/// policy.
pub(super) fn add_wildcards(step: &mut Step) {
    let Step::Server(line) = step else { return };
    let bytes = expand(line.parts());
    for (before, behind) in [(&b"Date: "[..], &b"\r\n"[..]), (b"to-ports=\"", b"\"")] {
        let find = |bytes: &[u8], wanted: &[u8]| {
            let mut windows = bytes.windows(wanted.len());
            windows.position(|window| window == wanted)
        };
        let Some(begin) = find(&bytes, before).map(|at| at + before.len()) else {
            continue;
        };
        if let Some(len) = find(bytes.get(begin..).unwrap_or_default(), behind) {
            let rest = bytes.slice(begin + len..);
            let parts = [
                Part::Bytes(bytes.slice(..begin)),
                Part::AnyRun,
                Part::Bytes(rest),
            ];
            line.content = Content::Bytes(parts.into());
            return;
        }
    }
}

/// Splits an event into lines: one for each line of text or of a head, one for other bytes.
fn lines(event: &Event) -> Vec<Line> {
    let Some(bytes) = &event.bytes else {
        return vec![Line::end()];
    };
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\r' | b'\n' | 0x20..0x7f);
    if !bytes.iter().all(is_text) {
        let starts = bytes.starts_with(b"GET ") || bytes.starts_with(b"HTTP/");
        return match head::len(bytes).filter(|_| starts) {
            Some(len) => {
                let (head, rest) = (bytes.slice(..len), bytes.slice(len..));
                let mut lines = text_lines(&head);
                if !rest.is_empty() {
                    lines.push(Line::bytes(rest));
                }
                lines
            }
            None => vec![Line::bytes(bytes.clone())],
        };
    }
    text_lines(bytes)
}

fn text_lines(bytes: &Bytes) -> Vec<Line> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| Line::bytes(bytes.slice_ref(line)))
        .collect()
}

fn whole_micros(pause: Duration) -> Duration {
    let micros = u64::try_from(pause.min(MAX_PAUSE).as_micros()).unwrap_or_default();
    Duration::from_micros(micros)
}
