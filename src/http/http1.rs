//! Ordinary HTTP on the port of the WebSockets: a page, or the advice to upgrade.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, SERVER, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use polysock_protocols::http::HeadWriter;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::transport::Io;
use crate::transport::Rewind;

/// How long a connection is kept open between requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What ordinary requests are answered with.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    index: Option<Bytes>,
}

impl Pages {
    /// An HTML page at `/`.
    pub fn with_index(html: impl Into<Bytes>) -> Self {
        Self {
            index: Some(html.into()),
        }
    }

    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Response<Bytes> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        match (&self.index, request.uri().path()) {
            (Some(html), "/") => page(html.clone()),
            (Some(_), _) => text(StatusCode::NOT_FOUND, "there is a page at / only\n"),
            // HTTP/2 has no upgrade, so there is none to require (RFC 8441 §1).
            (None, _) if request.version() == Version::HTTP_2 => {
                text(StatusCode::NOT_FOUND, "this port speaks WebSocket\n")
            }
            (None, _) => {
                let mut response =
                    text(StatusCode::UPGRADE_REQUIRED, "this port speaks WebSocket\n");
                let headers = response.headers_mut();
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                response
            }
        }
    }
}

/// Serves the requests of a connection, of which `incoming` has been read already, until it ends
/// or the gateway shuts down. A request behind the first that asks for an upgrade is not answered:
/// what has been read from it on is handed back, with the transport.
pub(crate) async fn serve(
    incoming: BytesMut,
    transport: Io,
    pages: Arc<Pages>,
    shutdown: CancellationToken,
) -> Option<(BytesMut, Io)> {
    let upgrade = Arc::new(Mutex::new(None));
    let (asked, is_first) = (Arc::clone(&upgrade), Cell::new(true));
    let service = service_fn(move |request| {
        let response = if !is_first.replace(false) && asks_for_upgrade(&request) {
            *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(head_of(&request));
            None
        } else {
            Some(pages.answer(&request).map(Full::new))
        };
        async move {
            match response {
                Some(response) => Ok::<_, Infallible>(response),
                None => pending().await,
            }
        }
    });
    let io = Rewind::new(incoming.freeze(), transport);
    let is_blocked = io.is_blocked();
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(KEEP_ALIVE)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(io), service);
    let (mut stopping, mut stopped) = (pin!(shutdown.cancelled()), false);
    let ended = poll_fn(|cx| {
        if !stopped && stopping.as_mut().poll(cx).is_ready() {
            stopped = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(Err(result));
        }
        // The answers to the requests before it go out first.
        if is_blocked.get() {
            return Poll::Pending;
        }
        let head = upgrade
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        head.map_or(Poll::Pending, |head| Poll::Ready(Ok(head)))
    });
    match ended.await {
        Ok(head) => {
            let parts = connection.into_parts();
            Some(parts.io.into_inner().unread(head, &parts.read_buf))
        }
        Err(result) => {
            if let Err(error) = result {
                debug!(%error, "HTTP connection failed");
            }
            None
        }
    }
}

/// Whether a request may be an opening handshake, also a broken one: it is looked at closer where
/// the first requests of connections are.
fn asks_for_upgrade(request: &Request<Incoming>) -> bool {
    let mut names = request.headers().keys().map(HeaderName::as_str);
    names.any(|name| name == "upgrade" || name.contains("websocket-"))
}

/// The head of a request as it came, but for the case of names and the order of fields.
fn head_of(request: &Request<Incoming>) -> BytesMut {
    let mut head = BytesMut::new();
    let first_line = format!(
        "{} {} {:?}",
        request.method(),
        request.uri(),
        request.version()
    );
    let fields = request.headers().iter();
    HeadWriter::new(&mut head, &first_line)
        .fields(fields.map(|(name, value)| (name.as_str(), value.as_bytes())))
        .finish();
    head
}

fn page(html: Bytes) -> Response<Bytes> {
    respond(StatusCode::OK, "text/html; charset=utf-8", html)
}

fn text(status: StatusCode, body: &'static str) -> Response<Bytes> {
    respond(
        status,
        "text/plain; charset=utf-8",
        Bytes::from_static(body.as_bytes()),
    )
}

fn respond(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(SERVER, HeaderValue::from_static("polysock"));
    response
}
