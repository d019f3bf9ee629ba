//! Publishing by HTTP, for web apps.

mod held;
mod items;
mod members;

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
use percent_encoding::percent_decode_str;
use polysock_protocols::Message;

use self::items::Item;
use crate::http::{Body, Service};
use crate::push::{Channels, GripKey};

/// The longest body, in bytes.
const MOST: usize = 1_000_000;

/// Publishes what web apps send by HTTP, for a listener of its own:
///
/// | request | |
/// |---|---|
/// | `POST /publish/` | items of GRIP, as `{"items": [{"channel": "news", "formats": {"ws-message": {"content": "hello"}}}]}`; one that is wrong, and none is sent |
/// | `POST /channels/NAME` | the body is the message: a text, or binary where it is none or its type is `application/octet-stream` |
///
/// Both answer 200 and `Published`. Requests of pages (`Origin`) are refused; where there is a key, those without a
/// token that was made with it are.
#[derive(Clone)]
pub struct Publisher {
    channels: Channels,
    key: Option<GripKey>,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
struct Told(StatusCode, String);

fn told(status: StatusCode, text: impl fmt::Display) -> Told {
    Told(status, format!("{text}\n"))
}

impl Publisher {
    /// One that publishes on these channels, for anybody.
    pub fn new(channels: Channels) -> Self {
        Self {
            channels,
            key: None,
        }
    }

    /// Publishes for those alone who have this key: a request has `Authorization: Bearer`, and a JWT that is signed
    /// with it and has not expired.
    #[must_use]
    pub fn keyed(self, key: GripKey) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    async fn answer(self, request: Request<Body>) -> Result<(), Told> {
        let (head, body) = request.into_parts();
        self.check(&head)?;
        let body = Limited::new(body, MOST).collect().await;
        let body = body.map_err(|_| too_long())?.to_bytes();
        match channel(head.uri.path())? {
            None => {
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
            Some(channel) => self.channels.publish(&channel, message(&head, body)),
        }
        Ok(())
    }

    /// Whether a request may be answered, as far as its head says it.
    fn check(&self, head: &Parts) -> Result<(), Told> {
        if head.headers.contains_key(ORIGIN) {
            return Err(told(
                StatusCode::FORBIDDEN,
                "a page sends this, and pages may not publish here: it has an Origin",
            ));
        }
        if head.uri.path() == "/" && head.method == Method::GET {
            return Err(told(
                StatusCode::OK,
                "publish with POST /publish/ or /channels/NAME",
            ));
        }
        channel(head.uri.path())?;
        if head.method != Method::POST {
            return Err(told(
                StatusCode::METHOD_NOT_ALLOWED,
                "this is asked for with POST",
            ));
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
                    "send Authorization: Bearer and a JWT that is signed with the key (HS256) and has not expired",
                ));
            }
        }
        Ok(())
    }
}

fn too_long() -> Told {
    let text = "the body is longer than 1,000,000 bytes";
    told(StatusCode::PAYLOAD_TOO_LARGE, text)
}

/// The channel that a path names; `None` where the body does.
fn channel(path: &str) -> Result<Option<String>, Told> {
    if matches!(path, "/publish" | "/publish/") {
        return Ok(None);
    }
    let name = path
        .strip_prefix("/channels/")
        .filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| {
        let mend = "there is nothing at this path: there are /publish/ and /channels/NAME";
        told(StatusCode::NOT_FOUND, mend)
    })?;
    let name = percent_decode_str(name).decode_utf8();
    match name {
        Ok(name) => Ok(Some(name.into_owned())),
        Err(_) => Err(told(
            StatusCode::BAD_REQUEST,
            "the name of the channel is not UTF-8",
        )),
    }
}

/// The message that a body is.
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
            let Told(status, text) = match publisher.answer(request).await {
                Ok(()) => told(StatusCode::OK, "Published"),
                Err(told) => told,
            };
            let mut response = Response::new(Body::from(Bytes::from(text)));
            *response.status_mut() = status;
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            match status {
                StatusCode::METHOD_NOT_ALLOWED => {
                    headers.insert(ALLOW, HeaderValue::from_static("POST"));
                }
                StatusCode::UNAUTHORIZED => {
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
