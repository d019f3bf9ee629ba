//! Requests to a web app for one client, and their responses.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use futures_core::future::BoxFuture;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use hyper::http::response::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode};
use polysock_protocols::{Fields, PackedRequest, Rejection};
use rand::Rng;
use tokio::time::sleep;

use super::events::{self, Event, MEDIA_TYPE};
use super::unanswered;
use crate::error::BoxError;
use crate::http::{Body, append};
use crate::push::GripKey;
use crate::telemetry::ConnectionId;
use crate::transport::Peer;
use crate::upstream::{HttpUpstream, UpstreamError};

/// The limit of a response body, in bytes.
const MOST: usize = 1_000_000;

/// The number of retries of a request that has not reached the web app.
const RETRIES: u32 = 5;

/// The pause before the first retry. Each further pause is twice as long.
const RETRY: Duration = Duration::from_secs(1);

/// The shortest interval between empty requests that a web app may configure, in seconds.
const SHORTEST_INTERVAL: u64 = 20;

/// The field with the name of the client's protocol.
const PROTOCOL: &str = "polysock-protocol";

/// A web app, and the data about one client that each request contains.
#[derive(Debug)]
pub(super) struct Origin {
    upstream: HttpUpstream,
    key: Option<GripKey>,
    request: Box<PackedRequest>,
    peer: Arc<Peer>,
    /// The `Meta-` fields set by the web app, which each request repeats.
    metas: Vec<(HeaderName, HeaderValue)>,
    /// The prefix of messages that are for the client; `None` if all messages are.
    prefix: Option<Box<[u8]>>,
    /// The time after a response at which an empty request is sent. `None` sends none.
    pub(super) interval: Option<Duration>,
}

/// The response of a web app that accepts a client.
pub(super) struct Opened {
    pub(super) subprotocol: Option<ByteString>,
    /// The response fields for the client.
    pub(super) fields: Fields,
    /// The events after OPEN.
    pub(super) answer: Vec<Event>,
}

/// The rejection for a refused client, and the failure if there was one.
pub(super) type Refused = Box<(Rejection, Option<UpstreamError>)>;

/// A response with its whole body, or the failure.
pub(super) type Answer = Result<Response<Bytes>, UpstreamError>;

/// The recipient of a text or binary message from a web app.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    Client(Bytes),
    Gateway(Bytes),
    /// Neither prefix matches; the message is dropped.
    Nobody,
}

impl Origin {
    pub(super) fn new(
        upstream: HttpUpstream,
        key: Option<GripKey>,
        request: &polysock_protocols::Request,
        peer: &Peer,
    ) -> Self {
        Self {
            upstream,
            key,
            request: Box::new(request.pack()),
            peer: Arc::new(peer.clone()),
            metas: Vec::new(),
            prefix: None,
            interval: None,
        }
    }

    /// Returns the id of the connection, which the web app receives too.
    pub(super) fn connection(&self) -> ConnectionId {
        self.peer.id
    }

    /// Asks the web app whether it accepts the client.
    pub(super) async fn open(
        &mut self,
        request: &polysock_protocols::Request,
    ) -> Result<Opened, Refused> {
        let answer = self.post(&[Event::Open], 0).await;
        let answer = answer.map_err(|error| Box::new((unanswered(&error), Some(error))))?;
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK || !is_events(&head.headers) {
            return Err(Box::new((refusal(&head, body), None)));
        }
        let bad = |problem: &'static str| {
            let rejection = Rejection::new(502, "the web app's answer is not valid");
            Box::new((
                rejection.because(problem),
                Some(UpstreamError::BadAnswer(problem)),
            ))
        };
        let events = events::read(body)
            .map_err(|_| bad("its answer to OPEN does not contain valid events"))?;
        let mut events = events.into_iter();
        if events.next() != Some(Event::Open) {
            return Err(bad("its answer to OPEN does not begin with OPEN"));
        }
        self.note(&head.headers);
        self.prefix = prefix(&head.headers);
        let text = |value: &HeaderValue| value.to_str().ok().map(ByteString::from);
        let subprotocol = head.headers.get("sec-websocket-protocol").and_then(text);
        let offered = &request.subprotocols;
        let subprotocol = subprotocol.filter(|name| offered.contains(name));
        Ok(Opened {
            subprotocol,
            fields: for_client(&head.headers),
            answer: events.collect(),
        })
    }

    /// Sends events. A request that has not reached the web app is sent again up to `retries`
    /// times.
    pub(super) fn post(&self, events: &[Event], retries: u32) -> BoxFuture<'static, Answer> {
        let (upstream, request) = (self.upstream.clone(), self.request_of(events));
        Box::pin(async move {
            let mut request = request.ok_or(UpstreamError::Path)?;
            let mut retry = 0;
            loop {
                let failed = match upstream.send(request).await {
                    Ok(answer) => return read(answer).await,
                    Err(failed) => failed,
                };
                let Some(again) = failed.request.filter(|_| retry < retries) else {
                    return Err(failed.error);
                };
                request = *again;
                let pause = RETRY * 2_u32.saturating_pow(retry);
                let jitter = rand::rng().random_range(1.0..1.5);
                sleep(pause.mul_f64(jitter)).await;
                retry += 1;
            }
        })
    }

    /// Sends events as [`post`](Self::post) does, for a client that is already accepted.
    pub(super) fn tell(&self, events: &[Event]) -> BoxFuture<'static, Answer> {
        self.post(events, RETRIES)
    }

    fn request_of(&self, events: &[Event]) -> Option<Request<Body>> {
        let asked = self.request.unpack()?;
        let body = events::written(events);
        let len = HeaderValue::from(body.len());
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = PathAndQuery::try_from(&*asked.target).ok()?.into();
        let headers = request.headers_mut();
        for (name, value) in asked.head.end_to_end().iter() {
            if !is_ours(name) {
                append(headers, name.as_bytes(), value);
            }
        }
        let mut put = |name: HeaderName, value: &[u8]| {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.insert(name, value);
            }
        };
        put(HOST, asked.host.as_bytes());
        if let Some(origin) = &asked.origin {
            put(ORIGIN, origin.as_bytes());
        }
        for name in ["sec-websocket-key", "sec-websocket-version"] {
            if let Some(value) = asked.head.value(name) {
                put(HeaderName::from_static(name), value);
            }
        }
        if !asked.subprotocols.is_empty() {
            let offered: Vec<_> = asked.subprotocols.iter().map(|name| &**name).collect();
            let name = HeaderName::from_static("sec-websocket-protocol");
            put(name, offered.join(", ").as_bytes());
        }
        put(HeaderName::from_static("sec-websocket-extensions"), b"grip");
        put(CONTENT_TYPE, MEDIA_TYPE.as_bytes());
        // Even for an empty body: many apps read only bodies with a length.
        put(CONTENT_LENGTH, len.as_bytes());
        put(hyper::header::ACCEPT, MEDIA_TYPE.as_bytes());
        let id = self.connection().to_string();
        put(HeaderName::from_static("connection-id"), id.as_bytes());
        put(
            HeaderName::from_static(PROTOCOL),
            asked.protocol.name().as_bytes(),
        );
        if let Some(signature) = self.key.as_ref().and_then(GripKey::signature) {
            put(HeaderName::from_static("grip-sig"), signature.as_bytes());
        }
        for (name, value) in &self.metas {
            headers.insert(name.clone(), value.clone());
        }
        request.extensions_mut().insert(Arc::clone(&self.peer));
        Some(request)
    }

    /// Stores the settings in a response for later requests.
    pub(super) fn note(&mut self, headers: &HeaderMap) {
        for (name, value) in headers {
            if let Some(name) = name.as_str().strip_prefix("set-meta-") {
                self.set_meta(name, value.clone());
            }
        }
        if let Some(seconds) = headers.get("keep-alive-interval") {
            let seconds = seconds.to_str().ok();
            let seconds = seconds.and_then(|seconds| seconds.trim().parse::<u64>().ok());
            let seconds = seconds.filter(|seconds| *seconds > 0);
            self.interval =
                seconds.map(|seconds| Duration::from_secs(seconds.max(SHORTEST_INTERVAL)));
        }
    }

    /// Sets the field `Meta-NAME` of later requests. An empty value removes the field.
    pub(super) fn set_meta(&mut self, name: &str, value: HeaderValue) {
        let Ok(name) = HeaderName::try_from(format!("meta-{name}")) else {
            return;
        };
        self.metas.retain(|(other, _)| *other != name);
        if !value.is_empty() {
            self.metas.push((name, value));
        }
    }

    /// Returns a value set by [`set_meta`](Self::set_meta).
    pub(super) fn meta(&self, name: &str) -> Option<&str> {
        let mut metas = self.metas.iter();
        let is_it = |other: &str| other.strip_prefix("meta-") == Some(name);
        let (_, value) = metas.find(|(other, _)| is_it(other.as_str()))?;
        value.to_str().ok()
    }

    /// Determines the recipient of a message from the web app, and removes the prefix.
    pub(super) fn said(&self, content: &Bytes) -> Recipient {
        let Some(prefix) = &self.prefix else {
            return Recipient::Client(content.clone());
        };
        if content.starts_with(b"c:") {
            return Recipient::Gateway(content.slice(2..));
        }
        match content.starts_with(prefix) {
            true => Recipient::Client(content.slice(prefix.len()..)),
            false => Recipient::Nobody,
        }
    }
}

/// Reads a response with its body, up to [`MOST`] bytes.
async fn read(answer: Response<Body>) -> Answer {
    let (head, body) = answer.into_parts();
    match Limited::new(body, MOST).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) => Err(UpstreamError::BadAnswer(problem(&error))),
    }
}

fn problem(error: &BoxError) -> &'static str {
    match error.downcast_ref::<LengthLimitError>() {
        Some(_) => "its answer is longer than 1,000,000 bytes",
        None => "its answer is incomplete",
    }
}

/// Whether a response body consists of events.
fn is_events(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}

/// Returns the prefix of messages for the client; `None` if the web app does not speak GRIP.
fn prefix(headers: &HeaderMap) -> Option<Box<[u8]>> {
    let extensions = headers.get_all("sec-websocket-extensions").iter();
    let extensions = extensions.filter_map(|value| value.to_str().ok());
    let mut extensions = extensions.flat_map(|value| value.split(','));
    let mut parts = extensions.find_map(|extension| {
        let mut parts = extension.split(';').map(str::trim);
        (parts.next()?.eq_ignore_ascii_case("grip")).then_some(parts)
    })?;
    let prefix = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        (name.trim() == "message-prefix").then(|| value.trim().trim_matches('"'))
    });
    Some(prefix.unwrap_or("m:").as_bytes().into())
}

/// Whether a field of a client's request is one that only we may set.
fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["meta-", "grip-", "content-", "set-meta-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || [
            "accept",
            "accept-encoding",
            "connection-id",
            "expect",
            PROTOCOL,
        ]
        .contains(&&*name)
}

/// Returns the fields of an accepting response that the client receives.
fn for_client(headers: &HeaderMap) -> Fields {
    let is_for = |name: &str| {
        !["content-", "set-meta-", "sec-websocket-", "grip-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            && !["keep-alive-interval", "transfer-encoding", "date", "server"].contains(&name)
    };
    let mut fields = Fields::new();
    for (name, value) in headers {
        if is_for(name.as_str()) {
            fields.append(name.as_str(), Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    fields
}

/// Turns a refusal by the web app into a rejection with its status, fields and body.
fn refusal(head: &Parts, body: Bytes) -> Rejection {
    let mut fields = Fields::new();
    for (name, value) in &head.headers {
        let is_framing = ["content-length", "transfer-encoding"].contains(&name.as_str());
        if !is_framing && !name.as_str().starts_with("set-meta-") {
            fields.append(name.as_str(), Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    Rejection {
        fields,
        body,
        ..Rejection::new(head.status.as_u16(), "")
    }
    .because("refused by the web app")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grip_extension_sets_the_message_prefix() {
        let prefix_of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_static("sec-websocket-extensions");
            headers.insert(name, HeaderValue::from_static(value));
            prefix(&headers).map(|prefix| String::from_utf8(prefix.into()).unwrap())
        };
        assert_eq!(prefix_of("grip").as_deref(), Some("m:"));
        assert_eq!(
            prefix_of("x, grip; message-prefix=\"\"").as_deref(),
            Some("")
        );
        assert_eq!(
            prefix_of("grip; message-prefix=\"y:\"").as_deref(),
            Some("y:")
        );
        assert_eq!(prefix_of("permessage-deflate"), None);
        assert_eq!(prefix(&HeaderMap::new()), None);
    }
}
