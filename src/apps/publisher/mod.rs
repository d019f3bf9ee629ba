//! An HTTP service through which web apps publish.

mod held;
mod items;
mod members;
mod resource;
mod shown;

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use futures_core::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use hyper::header::{
    ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use polysock_protocols::Message;
use serde_json::Value;
use thiserror::Error;

pub(in crate::apps) use self::held::answer;
use self::items::Item;
use self::resource::{ErrorResponse, Resource, told};
use crate::http::{Body, Service};
use crate::push::{Channels, GripKey};

/// The longest body, in bytes.
const MOST: usize = 1_000_000;

const TEXT: &str = "text/plain";
const JSON: &str = "application/json";

/// Publishes the HTTP requests of web apps to channels. Use it on a listener of its own:
///
/// - `POST /publish/` publishes the items of GRIP in the body, such as `{"items": [{"channel":
///   "news", "formats": {"ws-message": {"content": "hello"}}}]}`; if one is invalid, none is
///   published.
/// - `POST /channels/NAME` publishes the body as a message: binary if it is not UTF-8 or its type
///   is `application/octet-stream`, else text.
/// - `GET /history/NAME?after=AT` returns the publications after this position, if a
///   [node](crate::Node) keeps them.
/// - `GET /presence/NAME` returns the clients on the channel, on all nodes.
///
/// The first two answer 200 and `Published`, the others JSON. Requests from pages (with `Origin`)
/// are refused. With a key, all requests except `GET /` need a token that is signed with it.
#[derive(Clone)]
pub struct Publisher {
    channels: Channels,
    key: Option<GripKey>,
}

/// The reason why an item is not published, such as `Invalid format: an item has no channel`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ItemError(String);

impl Publisher {
    /// Creates a publisher to these channels, for all clients.
    pub fn new(channels: Channels) -> Self {
        Self {
            channels,
            key: None,
        }
    }

    /// Publishes only for holders of this key: a request must contain `Authorization: Bearer`, and
    /// a JWT that is signed with the key and has not expired.
    #[must_use]
    pub fn keyed(self, key: GripKey) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// Publishes one item of GRIP that was received over another transport, such as `{"channel":
    /// "news", "formats": {"ws-message": {"content": "hello"}}}`. Never blocks, works on any
    /// thread, and checks no key.
    ///
    /// # Errors
    ///
    /// The item has no channel or no formats, or one of those is invalid. Nothing is published
    /// then.
    pub fn publish(&self, item: &Value) -> Result<(), ItemError> {
        let item = items::item(item).map_err(|error| ItemError(error.to_string()))?;
        self.channels.publish(&item.channel, item.publication);
        Ok(())
    }

    async fn answer(self, request: Request<Body>) -> Result<Answer, ErrorResponse> {
        let (head, body) = request.into_parts();
        let resource = self.check(&head)?;
        let body = Limited::new(body, MOST).collect().await;
        let body = body.map_err(|_| too_long())?.to_bytes();
        match resource {
            Resource::Root => return Ok(Answer::Places),
            Resource::Items => {
                let items = items::read(&body);
                let items = items.map_err(|error| told(StatusCode::BAD_REQUEST, error))?;
                for Item {
                    channel,
                    publication,
                } in items
                {
                    self.channels.publish(&channel, publication);
                }
            }
            Resource::Channel(channel) => self.channels.publish(&channel, message(&head, body)),
            Resource::Presence(channel) => {
                let shown = shown::presence(&self.channels, &channel).await;
                return Ok(Answer::Shown(shown));
            }
            Resource::History(channel) => {
                let shown = shown::history(&self.channels, &channel, head.uri.query()).await?;
                return Ok(Answer::Shown(shown));
            }
        }
        Ok(Answer::Published)
    }

    /// Checks the head of a request: page, path, method, length and key.
    fn check(&self, head: &Parts) -> Result<Resource, ErrorResponse> {
        if head.headers.contains_key(ORIGIN) {
            return Err(told(
                StatusCode::FORBIDDEN,
                "the request comes from a web page (it has an Origin): web pages must not publish",
            ));
        }
        let resource = Resource::of(head.uri.path())?;
        let method = resource.method();
        if head.method != method {
            return Err(told(
                StatusCode::METHOD_NOT_ALLOWED,
                format_args!("use the method {method}"),
            ));
        }
        if resource == Resource::Root {
            return Ok(resource);
        }
        let len = head.headers.get(CONTENT_LENGTH);
        let len = len.and_then(|len| len.to_str().ok()?.parse::<u64>().ok());
        if len.is_some_and(|len| len > MOST as u64) {
            return Err(too_long());
        }
        if let Some(key) = &self.key {
            let sent = head.headers.get(AUTHORIZATION);
            let sent = sent.and_then(|sent| sent.to_str().ok());
            let token = sent.and_then(|sent| sent.split_once(' '));
            let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            if !token.is_some_and(|(_, token)| key.has_signed(token.trim())) {
                return Err(told(
                    StatusCode::UNAUTHORIZED,
                    "send Authorization: Bearer with an unexpired JWT that is signed with the key (HS256)",
                ));
            }
        }
        Ok(resource)
    }
}

/// The result of a request.
#[derive(Debug)]
enum Answer {
    Published,
    /// The list of paths.
    Places,
    Shown(Value),
}

fn too_long() -> ErrorResponse {
    let text = "the body is longer than 1,000,000 bytes";
    told(StatusCode::PAYLOAD_TOO_LARGE, text)
}

/// Turns a body into a message.
fn message(head: &Parts, body: Bytes) -> Message {
    let kind = head.headers.get(CONTENT_TYPE);
    let is_binary = kind.is_some_and(|kind| kind.as_bytes() == b"application/octet-stream");
    match ByteString::try_from(body.clone()) {
        Ok(text) if !is_binary => Message::Text(text),
        _ => Message::Binary(body),
    }
}

impl Service for Publisher {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let publisher = self.clone();
        Box::pin(async move {
            let allowed = Resource::of(request.uri().path()).map(|resource| resource.method());
            let (status, kind, text) = match publisher.answer(request).await {
                Ok(Answer::Published) => (StatusCode::OK, TEXT, "Published\n".to_owned()),
                Ok(Answer::Places) => {
                    let text = "publish with POST /publish/ or /channels/NAME\n";
                    (StatusCode::OK, TEXT, text.to_owned())
                }
                Ok(Answer::Shown(shown)) => (StatusCode::OK, JSON, format!("{shown}\n")),
                Err(ErrorResponse(status, text)) => (status, TEXT, text),
            };
            let mut response = Response::new(Body::from(Bytes::from(text)));
            *response.status_mut() = status;
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            match (status, allowed) {
                (StatusCode::METHOD_NOT_ALLOWED, Ok(Method::GET)) => {
                    headers.insert(ALLOW, HeaderValue::from_static("GET"));
                }
                (StatusCode::METHOD_NOT_ALLOWED, _) => {
                    headers.insert(ALLOW, HeaderValue::from_static("POST"));
                }
                (StatusCode::UNAUTHORIZED, _) => {
                    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                }
                _ => {}
            }
            response
        })
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("channels", &self.channels)
            .field("is_keyed", &self.key.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;
    use crate::push::{Publication, Push};

    #[test]
    fn an_item_from_code_is_published_or_an_error_is_returned() {
        let channels = Channels::new();
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        let _receiving = channels.receive(Some("news"), move |_, publication: &Publication| {
            telling.lock().unwrap().push(publication.push.clone());
        });
        let publisher = Publisher::new(channels);
        let item =
            json!({ "channel": "news", "formats": { "ws-message": { "content": "hello" } } });
        assert_eq!(publisher.publish(&item), Ok(()));
        let wrong = json!({ "formats": { "ws-message": { "content": "lost" } } });
        let error = publisher.publish(&wrong).unwrap_err();
        assert_eq!(error.to_string(), "Invalid format: an item has no channel");
        let hello = Push::Message(Message::text("hello"));
        assert_eq!(*told.lock().unwrap(), [hello]);
    }
}
