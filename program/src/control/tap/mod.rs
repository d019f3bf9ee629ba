//! Taps: the traffic of connections, line by line.

mod line;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::{Response, StatusCode};
use polysock::{Body, ConnectionId, Tap, TapSettings};
use serde_json::{Map, Value, json};
use tokio::time::timeout_at;
use tracing::info;

use super::actions::RequestParameters;
use super::answer::{problem, with_body};
use super::connections::Filter;
use super::state::State;

use self::line::Lines;
pub(crate) use self::line::text_of;

/// The most simultaneous taps.
const MOST_TAPS: usize = 8;

/// The longest duration of a tap, and the default.
const LONGEST: Duration = Duration::from_secs(600);

/// The most events of a tap, and the default.
const MOST_EVENTS: u64 = 10_000;

/// The shown part of a frame, in bytes.
const SHOWN: usize = 256;

/// The interval at which an idle tap writes a sign of life, which detects readers that have
/// disconnected.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The requested contents of a tap.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// The payloads of messages.
    payload: bool,
    /// The bytes of frames on the wire.
    wire: bool,
    /// All bytes on the wire, from the opening handshake on.
    transcript: bool,
    keep_secrets: bool,
    /// Text for people instead of JSON.
    text: bool,
    time: Duration,
    events: u64,
}

/// Taps one connection, or those that a filter selects.
pub(super) fn begin(
    state: &Arc<State>,
    id: Option<ConnectionId>,
    asked: &RequestParameters,
    who: &str,
) -> Result<Response<Body>, String> {
    let wanted = Wanted::of(asked)?;
    let filter = asked.0.get("filter").and_then(Value::as_object);
    let filter = filter.into_iter().flat_map(Map::iter);
    let filter =
        Filter::of(filter.map(|(name, value)| (&**name, value.as_str().unwrap_or_default())))?;
    if let Some(id) = id {
        if state.registry.connection(id).is_none() {
            let detail = "there is no such connection";
            return Ok(problem(StatusCode::NOT_FOUND, detail));
        }
        if wanted.transcript {
            let detail = "a transcript begins with the opening handshake, which has already happened: tap without \
                          an ID to get transcripts of the connections that open from then on";
            return Ok(problem(StatusCode::CONFLICT, detail));
        }
    }
    if state.registry.taps() >= MOST_TAPS {
        let detail = "eight taps are running, the maximum: end one";
        return Ok(problem(StatusCode::TOO_MANY_REQUESTS, detail));
    }
    let settings = TapSettings {
        payload: if wanted.payload { SHOWN } else { 0 },
        wire: match wanted {
            Wanted {
                transcript: true, ..
            } => usize::MAX,
            Wanted { wire: true, .. } => SHOWN,
            _ => 0,
        },
    };
    let began = Instant::now();
    let tap = state.registry.tap(settings, move |connection| match id {
        Some(id) => connection.id == id,
        // A transcript needs the opening handshake, which has passed on older connections.
        None => {
            let is_new = connection.age <= began.elapsed();
            filter.chooses(connection) && (is_new || !wanted.transcript)
        }
    });
    info!(
        audit = true,
        who,
        connection = id.map(tracing::field::display),
        payload = wanted.payload || wanted.wire || wanted.transcript,
        "a tap begins"
    );
    let kind = match wanted.text {
        true => "text/plain; charset=utf-8",
        false => "application/x-ndjson",
    };
    let running = Running {
        tap,
        lines: Lines::new(state.registry.clone(), wanted.keep_secrets),
        wanted,
        who: who.to_owned(),
        began,
        events: 0,
        missed: 0,
        is_over: false,
    };
    let lines = unfold(running, async |mut running| {
        let text = running.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(text))), running))
    });
    let body = Body::new(StreamBody::new(Box::pin(lines)));
    Ok(with_body(StatusCode::OK, kind, body))
}

impl Wanted {
    fn of(asked: &RequestParameters) -> Result<Self, String> {
        let time = asked.duration("for")?.unwrap_or(LONGEST);
        let events = asked.number("events")?.unwrap_or(MOST_EVENTS);
        if time > LONGEST {
            return Err("for: a tap lasts ten minutes at most".to_owned());
        }
        if events > MOST_EVENTS {
            return Err(format!("events: write at most {MOST_EVENTS}"));
        }
        let text = match asked.text("output") {
            None | Some("json") => false,
            Some("text") => true,
            Some(_) => return Err("output: write json or text".to_owned()),
        };
        Ok(Self {
            payload: asked.is("payload"),
            wire: asked.is("wire"),
            transcript: asked.is("transcript"),
            keep_secrets: asked.is("keep_secrets"),
            text,
            time,
            events,
        })
    }
}

/// A tap with a reader.
struct Running {
    tap: Tap,
    lines: Lines,
    wanted: Wanted,
    who: String,
    began: Instant,
    events: u64,
    /// The number of missed events that has been reported.
    missed: u64,
    is_over: bool,
}

impl Running {
    /// Returns the next line or lines; `None` once the tap has ended.
    async fn next(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        let missed = self.tap.missed();
        if missed > self.missed {
            let since = missed - self.missed;
            self.missed = missed;
            return Some(self.written(&json!({ "what": "missed", "events": since })));
        }
        let end = self.began + self.wanted.time;
        if self.events >= self.wanted.events {
            return Some(self.over("event limit reached"));
        }
        let life = end.min(Instant::now() + SIGN_OF_LIFE);
        match timeout_at(life.into(), self.tap.next()).await {
            Ok(event) => {
                self.events += 1;
                let line = self.lines.of(&event);
                Some(self.written(&line))
            }
            Err(_) if Instant::now() >= end => Some(self.over("time limit reached")),
            Err(_) => Some("\n".to_owned()),
        }
    }

    fn over(&mut self, reason: &str) -> String {
        self.is_over = true;
        self.written(&json!({ "what": "over", "reason": reason }))
    }

    fn written(&self, line: &Value) -> String {
        match self.wanted.text {
            true => text_of(line),
            false => format!("{line}\n"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        info!(
            audit = true,
            who = &*self.who,
            events = self.events,
            missed = self.tap.missed(),
            seconds = self.began.elapsed().as_secs(),
            "a tap ends"
        );
    }
}
