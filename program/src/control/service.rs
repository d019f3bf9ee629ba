//! The routes of the control listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use hyper::header::ACCEPT;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use polysock::{Body, ConnectionId, ConnectionIdError, OpenConnection, Peer, Service};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::actions::{self, RequestParameters};
use super::answer::{json, problem, see_other, text, typed};
use super::connections::{Filter, to_json};
use super::guard::{FORM, Guard, changes, content_type};
use super::metrics::{Text, families, written};
use super::page;
use super::state::State;
use super::status::{census_json, refusals_json, status_json};
use super::tap;

/// The time in which every worker must respond, before the server counts as dead.
const ALIVE: Duration = Duration::from_secs(5);

/// The longest request body, in bytes.
const MOST: usize = 64 * 1024;

/// The service of the control listener.
pub(super) struct Answers {
    pub(super) state: Arc<State>,
    pub(super) guard: Arc<Guard>,
}

impl Service for Answers {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let (state, guard) = (Arc::clone(&self.state), Arc::clone(&self.guard));
        Box::pin(async move {
            let is_head = request.method() == Method::HEAD;
            let response = answer(&state, &guard, request).await;
            match is_head {
                true => response.map(|_| Body::from(Bytes::new())),
                false => response,
            }
        })
    }
}

async fn answer(state: &Arc<State>, guard: &Guard, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Err(refused) = guard.check(&parts) {
        return problem(refused.status, refused.detail);
    }
    let path = parts.uri.path();
    let path = path
        .strip_prefix("/v1")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    let path: Vec<_> = path.split('/').skip(1).collect();
    if !changes(&parts.method) {
        return read(state, guard, &parts, &path).await;
    }
    let asked = match asked(guard, &parts, body).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let who = who(&parts);
    if let Some(tapped) = tap(state, &parts.method, &path, &asked, &who) {
        return tapped;
    }
    let is_form = content_type(&parts.headers) == Some(FORM) && parts.method == Method::POST;
    let response = change(state, &parts.method, &path, &asked, &who).await;
    match is_form && response.status().is_success() {
        true => see_other("/status"),
        false => response,
    }
}

/// Answers the requests that only read.
async fn read(state: &Arc<State>, guard: &Guard, parts: &Parts, path: &[&str]) -> Response<Body> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return problem(
            StatusCode::METHOD_NOT_ALLOWED,
            "this method is not supported: use GET",
        );
    }
    let query: Vec<_> = parts.uri.query().map(pairs).unwrap_or_default();
    match path {
        [""] => see_other("/status"),
        ["livez"] => match timeout(ALIVE, state.pulse.beat()).await {
            Ok(()) => text(StatusCode::OK, "ok\n"),
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "a worker hangs\n"),
        },
        ["readyz"] => match state.is_ready() {
            // The server stays ready: its own clients are served, and all other servers may have
            // lost the bus too.
            true => match state.node().filter(|node| !node.is_connected) {
                Some(_) => text(StatusCode::OK, "degraded: the bus is not connected\n"),
                None => text(StatusCode::OK, "ok\n"),
            },
            false => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        },
        ["version"] => json(
            StatusCode::OK,
            &json!({ "version": env!("CARGO_PKG_VERSION") }),
        ),
        ["config"] => text(StatusCode::OK, state.facts().config),
        ["metrics"] => {
            let accept = parts
                .headers
                .get(ACCEPT)
                .and_then(|accept| accept.to_str().ok());
            let wanted = Text::wanted(accept);
            typed(
                StatusCode::OK,
                wanted.content_type(),
                written(families(state), wanted),
            )
        }
        ["status.json"] => json(StatusCode::OK, &status_json(state)),
        ["census"] => json(StatusCode::OK, &census_json(state)),
        ["refusals"] => json(StatusCode::OK, &refusals_json(state)),
        ["connections"] => connections(state, &query),
        ["connections", id] => match one(state, id) {
            Ok(connection) => json(StatusCode::OK, &to_json(&connection)),
            Err(response) => *response,
        },
        // WCAG 2.2.1: a page must not change by itself unless the user has requested it.
        ["status"] => {
            let reloads = query.iter().any(|(name, _)| name == "reload");
            page::status(state, guard, reloads)
        }
        ["status", "connections", id] => match one(state, id) {
            Ok(connection) => page::connection(guard, &connection),
            Err(response) => *response,
        },
        ["status.css"] => typed(StatusCode::OK, "text/css; charset=utf-8", page::STYLE),
        ["status.js"] => typed(
            StatusCode::OK,
            "text/javascript; charset=utf-8",
            page::SCRIPT,
        ),
        _ => problem(StatusCode::NOT_FOUND, "there is nothing at this path"),
    }
}

/// Answers the requests that change something.
async fn change(
    state: &Arc<State>,
    method: &Method,
    path: &[&str],
    asked: &RequestParameters,
    who: &str,
) -> Response<Body> {
    let done = match (method.as_str(), path) {
        ("DELETE", ["connections", id]) | ("POST", ["connections", id, "close"]) => {
            let id = id.parse::<ConnectionId>();
            id.map_err(|error| error.to_string())
                .and_then(|id| actions::close(state, id, asked, who))
        }
        ("POST", ["connections", "close"]) => actions::close_chosen(state, asked, who),
        ("POST", ["drain"]) => actions::drain(state, asked, who),
        ("POST", ["undrain"]) => Ok(actions::undrain(state, who)),
        ("POST", ["reload"]) => Ok(actions::reload(state, who).await),
        ("PUT" | "POST", ["log"]) => actions::set_log(asked, who),
        _ => Ok(problem(
            StatusCode::NOT_FOUND,
            "there is no action for this method and path",
        )),
    };
    done.unwrap_or_else(|detail| problem(StatusCode::BAD_REQUEST, &detail))
}

/// Starts a tap, if the path is one of a tap.
fn tap(
    state: &Arc<State>,
    method: &Method,
    path: &[&str],
    asked: &RequestParameters,
    who: &str,
) -> Option<Response<Body>> {
    let id = match (method.as_str(), path) {
        ("POST", ["tap"]) => Ok(None),
        ("POST", ["connections", id, "tap"]) => id.parse().map(Some),
        _ => return None,
    };
    let begun = id.map_err(|error| ConnectionIdError::to_string(&error));
    let begun = begun.and_then(|id| tap::begin(state, id, asked, who));
    Some(begun.unwrap_or_else(|detail| problem(StatusCode::BAD_REQUEST, &detail)))
}

/// Reads the parameters of a request: from JSON, a form of our own, or the query.
async fn asked(
    guard: &Guard,
    parts: &Parts,
    body: Body,
) -> Result<RequestParameters, Response<Body>> {
    let query = parts.uri.query().map(pairs).unwrap_or_default();
    let of_pairs = |pairs: Vec<(String, String)>| {
        let fields = pairs.into_iter().map(|(name, value)| (name, value.into()));
        RequestParameters(fields.collect::<Map<_, _>>())
    };
    if parts.method == Method::DELETE {
        return Ok(of_pairs(query));
    }
    let body = Limited::new(body, MOST).collect().await;
    let body = body.map_err(|_| problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"))?;
    let body = body.to_bytes();
    if content_type(&parts.headers) == Some(FORM) {
        let form = pairs(&String::from_utf8_lossy(&body));
        let checked = guard.check_form(&form);
        checked.map_err(|refused| problem(refused.status, refused.detail))?;
        return Ok(of_pairs(form));
    }
    if body.is_empty() {
        return Ok(RequestParameters::default());
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(fields)) => Ok(RequestParameters(fields)),
        Ok(_) => Err(problem(
            StatusCode::BAD_REQUEST,
            "the body is not a JSON object",
        )),
        Err(error) => Err(problem(
            StatusCode::BAD_REQUEST,
            &format!("the body: {error}"),
        )),
    }
}

fn connections(state: &State, query: &[(String, String)]) -> Response<Body> {
    let filter = Filter::of(query.iter().map(|(name, value)| (&**name, &**value)));
    let filter = match filter {
        Ok(filter) => filter,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, &detail),
    };
    let (connections, count, next) = filter.list(&state.registry);
    let connections: Vec<_> = connections.iter().map(to_json).collect();
    json(
        StatusCode::OK,
        &json!({
            "count": count,
            "connections": connections,
            "next_cursor": next.map(|next| next.to_string()),
        }),
    )
}

fn one(state: &State, id: &str) -> Result<OpenConnection, Box<Response<Body>>> {
    let problem = |status, detail: &str| Box::new(problem(status, detail));
    let id = id.parse::<ConnectionId>();
    let id = id.map_err(|error| problem(StatusCode::BAD_REQUEST, &error.to_string()))?;
    let connection = state.registry.connection(id);
    connection.ok_or_else(|| problem(StatusCode::NOT_FOUND, "there is no such connection"))
}

/// The sender of a request, for the log.
fn who(parts: &Parts) -> String {
    let peer = parts.extensions.get::<Arc<Peer>>();
    match peer.and_then(|peer| peer.address) {
        Some(address) => SocketAddr::to_string(&address),
        None => "the Unix socket".to_owned(),
    }
}

/// The names and the values of a query or a form.
fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}
