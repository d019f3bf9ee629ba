//! A proxy for ordinary requests to a web app that may hold them.

use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts as Asking;
use hyper::http::response::Parts as Answered;
use hyper::{Method, Request, Response, StatusCode};
use polysock_protocols::Rejection;
use tokio::time::sleep;

use super::fields::{Instruct, Mode};
use super::inbox::{Form, Inbox};
use super::instruct::{is_instruct, read};
use super::last_ids::LastIds;
use super::response::{Outcome, original, published, wait};
use super::stream::{Streaming, spread};
use super::web_app::{RequestTarget, WebApp, claims_gateway, is_plain, tell_last};
use crate::apps::Proxy;
use crate::broadcast::{MAILBOX, Overflow, Queue};
use crate::connection::ShutdownSignal;
use crate::http::{Body, Service, rejected};
use crate::push::{Channels, GripKey};
use crate::upstream::HttpUpstream;

/// The limit of a response that is kept while its request waits, in bytes.
const MOST: usize = 1_000_000;

/// Proxies ordinary requests to a web app as [`Proxy`] does, and holds those whose response says so
/// (`Grip-Hold`). A stream sends the response, followed by the publications on its channels. A
/// waiting request gets the next publication as its response. Use it next to
/// [`Grip`](crate::apps::grip::Grip), with the same web app.
///
/// A client that disconnects cancels its request. When the port closes, streams end, and waiting
/// requests get the web app's own response.
#[derive(Clone, Debug)]
pub struct GripProxy {
    app: Arc<WebApp>,
}

impl GripProxy {
    /// Creates a proxy to a web app, whose requests are held on these channels.
    pub fn new(upstream: HttpUpstream, channels: Channels) -> Self {
        Self {
            app: Arc::new(WebApp {
                proxy: Proxy::new(upstream.clone()),
                upstream,
                key: None,
                last_ids: Arc::new(LastIds::of(&channels)),
                channels,
                queue: MAILBOX,
            }),
        }
    }

    /// Signs each request with this key (`Grip-Sig`).
    #[must_use]
    pub fn signed(mut self, key: GripKey) -> Self {
        Arc::make_mut(&mut self.app).key = Some(key);
        self
    }

    /// Sets the limit of queued publications for a stream that is read slowly, and the action when
    /// the limit is exceeded. By default the limit is 16,384 publications or 4 MiB, and a stream
    /// that exceeds it is aborted.
    #[must_use]
    pub fn queue(mut self, queue: Queue) -> Self {
        Arc::make_mut(&mut self.app).queue = queue;
        self
    }
}

impl Service for GripProxy {
    fn call(&self, mut request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        if claims_gateway(request.headers()) {
            let refusal = Rejection::new(403, "clients must not send WebSocket events");
            return Box::pin(std::future::ready(rejected(&refusal)));
        }
        self.app.sign(request.headers_mut());
        let app = Arc::clone(&self.app);
        Box::pin(async move {
            let held = Held::of(&request);
            let answer = app.proxy.call(request).await;
            let (mut head, body) = answer.into_parts();
            let has_instruct = is_instruct(&head.headers);
            match Instruct::take(&mut head.headers) {
                Ok(None) if !has_instruct => Response::from_parts(head, body),
                // Boxed, because most requests are not held.
                taken => Box::pin(held.answer(app, head, taken, body)).await,
            }
        })
    }
}

/// A request that may be held.
struct Held {
    asked: RequestTarget,
    shutdown: ShutdownSignal,
    is_head: bool,
    /// The head of the request; `None` if it cannot be sent again.
    again: Option<Asking>,
}

impl Held {
    fn of(request: &Request<Body>) -> Self {
        let shutdown = request.extensions().get::<ShutdownSignal>();
        Self {
            asked: RequestTarget::of(request),
            shutdown: shutdown.cloned().unwrap_or_default(),
            is_head: request.method() == Method::HEAD,
            again: again(request),
        }
    }

    /// Answers a request whose response contains instructions.
    async fn answer(
        self,
        app: Arc<WebApp>,
        mut head: Answered,
        mut taken: Result<Option<Instruct>, &'static str>,
        mut body: Body,
    ) -> Response<Body> {
        loop {
            let mut instruct = match taken {
                _ if is_instruct(&head.headers) && !self.is_head => {
                    match told(&mut head, &mut body).await {
                        Ok(instruct) => instruct,
                        Err(problem) => return app.misread(problem),
                    }
                }
                Ok(Some(instruct)) => instruct,
                Ok(None) => return Response::from_parts(head, body),
                Err(problem) => return app.misread(problem),
            };
            head.status = instruct.status.unwrap_or(head.status);
            let is_bodiless = self.is_head
                || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
            let mode = instruct.mode;
            if mode != Some(Mode::Response) && (mode.is_some() || instruct.next.is_some()) {
                head.headers.remove(CONTENT_LENGTH);
                if is_bodiless {
                    return Response::from_parts(head, Body::from(Bytes::new()));
                }
                return self.stream(app, head, instruct, body);
            }
            if mode.is_none() || self.is_head {
                return Response::from_parts(head, body);
            }
            // Only the first publication is the response.
            let queue = Queue {
                overflow: Overflow::DropNewest,
                ..app.queue
            };
            let mut inbox = Inbox::new(Form::Answer, queue);
            inbox.follow(&app.channels, &instruct.channels);
            let Ok(kept) = Limited::new(body, MOST).collect().await else {
                return app.misread("its answer to a held request has no end");
            };
            let kept = kept.to_bytes();
            let outcome = wait(&mut instruct, &inbox, &app.last_ids, &self.shutdown).await;
            let (is_crowd, asking) = match (outcome, &self.again) {
                (Outcome::Answer(answer), _) => return published(head, answer),
                (Outcome::Again { is_crowd }, Some(asking)) => (is_crowd, asking),
                (Outcome::Original | Outcome::Again { .. }, _) => return original(head, kept),
            };
            if is_crowd {
                sleep(spread()).await;
            }
            let mut asking = asking.clone();
            tell_last(&mut asking.headers, &instruct.channels);
            let request = Request::from_parts(asking, Body::from(Bytes::new()));
            let answer = app.proxy.call(request).await;
            (head, body) = answer.into_parts();
            taken = Instruct::take(&mut head.headers);
        }
    }

    fn stream(
        self,
        app: Arc<WebApp>,
        head: Answered,
        instruct: Instruct,
        body: Body,
    ) -> Response<Body> {
        if let Err(problem) = is_plain(&head.headers) {
            return app.misread(problem);
        }
        let mut inbox = Inbox::new(form(&head.headers), app.queue);
        // Subscribed before the client receives the head, so that it gets all publications from
        // then on.
        inbox.follow(&app.channels, &instruct.channels);
        let streaming = Streaming::new(app, self.asked, (instruct, body), inbox, &self.shutdown);
        Response::from_parts(head, streaming.into_body())
    }
}

/// Reads the instructions in the body of a response, and replaces the response by the one in them.
async fn told(head: &mut Answered, body: &mut Body) -> Result<Instruct, &'static str> {
    let told = Limited::new(std::mem::replace(body, Bytes::new().into()), MOST);
    let told = told.collect().await;
    let told = told.map_err(|_| "its application/grip-instruct has no end")?;
    let (instruct, answer) = read(&told.to_bytes())?;
    head.headers.clear();
    let (published, of_it) = published(head.clone(), answer).into_parts();
    (*head, *body) = (published, of_it);
    Ok(instruct)
}

/// Copies the head of a request that may be sent again, because it has no body.
fn again(request: &Request<Body>) -> Option<Asking> {
    if !hyper::body::Body::is_end_stream(request.body()) {
        return None;
    }
    let (mut head, ()) = Request::new(()).into_parts();
    head.method.clone_from(request.method());
    head.uri.clone_from(request.uri());
    head.version = request.version();
    head.headers.clone_from(request.headers());
    head.extensions.clone_from(request.extensions());
    Some(head)
}

/// Returns the form of a stream, by its content type.
fn form(headers: &HeaderMap) -> Form {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    match kind {
        Some(kind) if kind.trim().eq_ignore_ascii_case("text/event-stream") => Form::Events,
        Some(_) | None => Form::Lines,
    }
}
