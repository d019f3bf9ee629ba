//! Actions of operators: closing connections, draining the server and ending the drain, reloading
//! the configuration, changing the log filter for a while.
//!
//! Each action is a line of the log with `audit=true`. A wrong request gets an error that says how
//! to correct it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Response, StatusCode};
use polysock::{Body, CloseCode, ConnectionId};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tracing::{info, warn};

use super::answer::{json, problem};
use super::connections::Filter;
use super::state::{Closing, State};
use crate::flags::values;
use crate::log;

/// The default number of connections closed per second.
const PACE: u32 = 100;

/// The parameters of a request, from JSON or a form.
#[derive(Debug, Default)]
pub(super) struct RequestParameters(pub(super) Map<String, Value>);

impl RequestParameters {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let number = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64(),
        };
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{name}: write a number")),
        }
    }

    /// True if the parameter is `true`, or a ticked checkbox of a form.
    pub(super) fn is(&self, name: &str) -> bool {
        match self.0.get(name) {
            Some(Value::Bool(is)) => *is,
            Some(Value::String(text)) => text == "true",
            _ => false,
        }
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, String> {
        let text = self.text(name);
        let read =
            text.map(|text| values::duration(text).map_err(|error| format!("{name}: {error}")));
        read.transpose()
    }

    /// The close code of the request, or else `otherwise`.
    fn code(&self, otherwise: CloseCode) -> Result<CloseCode, String> {
        let Some(code) = self.number("code")? else {
            return Ok(otherwise);
        };
        let code = u16::try_from(code).ok().and_then(CloseCode::new);
        code.ok_or_else(|| {
            "code: write a close code that may be sent: 1000 to 1003, 1007 to 1014, or 3000 to 4999"
                .to_owned()
        })
    }

    fn pace(&self) -> Result<NonZeroU32, String> {
        let pace = self.number("per_second")?.unwrap_or(PACE.into());
        let pace = u32::try_from(pace).ok().and_then(NonZeroU32::new);
        pace.ok_or_else(|| "per_second: write a number from 1 on".to_owned())
    }
}

/// Closes one connection.
pub(super) fn close(
    state: &State,
    id: ConnectionId,
    asked: &RequestParameters,
    who: &str,
) -> Result<Response<Body>, String> {
    let code = asked.code(CloseCode::POLICY_VIOLATION)?;
    if !state.registry.close(id, code) {
        let detail = "there is no such connection";
        return Ok(problem(StatusCode::NOT_FOUND, detail));
    }
    info!(audit = true, who, connection = %id, code = code.get(), "close a connection");
    Ok(json(StatusCode::ACCEPTED, &json!({ "closing": 1 })))
}

/// Closes the connections that a filter selects.
pub(super) fn close_chosen(
    state: &Arc<State>,
    asked: &RequestParameters,
    who: &str,
) -> Result<Response<Body>, String> {
    let fields = asked.0.get("filter").and_then(Value::as_object).ok_or(
        "filter: write an object that selects connections, as {\"filter\": {\"protocol\": \"hixie-76\"}}; {} selects \
         all",
    )?;
    let fields = fields.iter();
    let filter =
        Filter::of(fields.map(|(name, value)| (&**name, value.as_str().unwrap_or_default())))?;
    let (code, pace) = (asked.code(CloseCode::SERVICE_RESTART)?, asked.pace()?);
    let chosen = state
        .registry
        .connections(|connection| filter.chooses(connection));
    let ids: Vec<_> = chosen.into_iter().map(|connection| connection.id).collect();
    let count = ids.len();
    let answer = json!({ "connections": count, "per_second": pace.get(), "code": code.get() });
    if asked.is("dry_run") {
        return Ok(json(StatusCode::OK, &answer));
    }
    info!(
        audit = true,
        who,
        count,
        everything = filter.is_everything(),
        code = code.get(),
        "close connections"
    );
    let registry = state.registry.clone();
    begin(state, count, async move {
        registry.close_each(ids, code, pace).await;
    });
    Ok(json(StatusCode::ACCEPTED, &answer))
}

/// Stops admitting clients, and closes all connections.
pub(super) fn drain(
    state: &Arc<State>,
    asked: &RequestParameters,
    who: &str,
) -> Result<Response<Body>, String> {
    let (code, pace) = (asked.code(CloseCode::GOING_AWAY)?, asked.pace()?);
    let deadline = asked.duration("deadline")?;
    state.registry.set_draining(true);
    let count = state.registry.count();
    // Raises the pace if the connections would not all be closed by the deadline.
    let pace = deadline.map_or(pace, |deadline| {
        let seconds = u32::try_from(deadline.as_secs().max(1)).unwrap_or(u32::MAX);
        let needed = u32::try_from(count).unwrap_or(u32::MAX).div_ceil(seconds);
        NonZeroU32::new(needed).map_or(pace, |needed| needed.max(pace))
    });
    info!(
        audit = true,
        who,
        count,
        per_second = pace.get(),
        code = code.get(),
        "drain"
    );
    let registry = state.registry.clone();
    begin(state, count, async move {
        registry.close_all(code, pace).await;
    });
    let answer = json!({ "connections": count, "per_second": pace.get(), "code": code.get() });
    Ok(json(StatusCode::ACCEPTED, &answer))
}

/// Admits clients again. Connections that were not closed yet stay open.
pub(super) fn undrain(state: &State, who: &str) -> Response<Body> {
    if let Some(closing) = state.closing().take() {
        closing.task.abort();
    }
    state.registry.set_draining(false);
    info!(audit = true, who, "undrain");
    json(StatusCode::OK, &json!({ "draining": false }))
}

/// Reads the configuration again.
pub(super) async fn reload(state: &State, who: &str) -> Response<Body> {
    info!(audit = true, who, "reload");
    match state.reload().await {
        Ok(said) => json(StatusCode::OK, &json!({ "reloaded": true, "detail": said })),
        Err(error) => problem(StatusCode::CONFLICT, &error),
    }
}

/// The default time for which a changed log filter is in force.
const LOGGING: Duration = Duration::from_secs(600);

/// Changes the log filter for a while.
pub(super) fn set_log(asked: &RequestParameters, who: &str) -> Result<Response<Body>, String> {
    let filter = asked.text("filter").ok_or(
        "filter: write a log filter, as {\"filter\": \"polysock=debug\", \"for\": \"10m\"}",
    )?;
    let time = asked.duration("for")?.unwrap_or(LOGGING);
    log::set_filter(filter, Some(time)).map_err(|error| format!("filter: {error}"))?;
    let seconds = time.as_secs();
    warn!(
        audit = true,
        who, filter, seconds, "log filter changed temporarily"
    );
    let answer = json!({ "filter": filter, "seconds": seconds });
    Ok(json(StatusCode::OK, &answer))
}

/// Starts a task that closes connections, and aborts the one before.
fn begin(state: &Arc<State>, count: usize, closing: impl Future<Output = ()> + Send + 'static) {
    let done = Arc::clone(state);
    let mut place = state.closing();
    let task = tokio::spawn(async move {
        // An upper bound: nobody means to close a million connections at one a second.
        let _ = timeout(Duration::from_secs(7 * 24 * 60 * 60), closing).await;
        done.closing().take();
    });
    let closing = Closing {
        task: task.abort_handle(),
        count,
    };
    if let Some(before) = place.replace(closing) {
        before.task.abort();
    }
}
