//! Ordinary HTTP on the port of the WebSockets: a page, or the advice to upgrade.

mod rewind;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, SERVER, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::rewind::Rewind;
use crate::transport::Transport;

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

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        match (&self.index, request.uri().path()) {
            (Some(html), "/") => page(html.clone()),
            (Some(_), _) => text(StatusCode::NOT_FOUND, "there is a page at / only\n"),
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
/// or the gateway shuts down.
pub(crate) async fn serve(
    incoming: BytesMut,
    transport: Box<dyn Transport>,
    pages: Arc<Pages>,
    shutdown: CancellationToken,
) {
    let service = service_fn(move |request| {
        let response = pages.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let io = TokioIo::new(Rewind::new(incoming.freeze(), transport));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(KEEP_ALIVE)
        .title_case_headers(true)
        .serve_connection(io, service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, "HTTP connection failed");
    }
}

fn page(html: Bytes) -> Response<Full<Bytes>> {
    respond(StatusCode::OK, "text/html; charset=utf-8", html)
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(
        status,
        "text/plain; charset=utf-8",
        Bytes::from_static(body.as_bytes()),
    )
}

fn respond(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(SERVER, HeaderValue::from_static("polysock"));
    response
}
