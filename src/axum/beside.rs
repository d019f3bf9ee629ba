//! An axum site next to an application on one port.

use std::fmt;
use std::future::poll_fn;

use axum_core::response::IntoResponse;
use bytes::Bytes;
use futures_core::future::BoxFuture;
use hyper::{Request, Response, StatusCode};
use tracing::warn;

use crate::error::BoxError;
use crate::http::{Body, Service};

/// An axum router that answers the ordinary requests of a site, while opening handshakes go to its
/// application:
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use polysock::Site;
/// use polysock::apps::Chat;
/// use polysock::axum::Beside;
///
/// let pages = Router::new().route("/", get(|| async { "a page" }));
/// let site = Site::new(Chat::new()).with_http(Beside::new(pages));
/// # let _ = site;
/// ```
///
/// The extensions of each request contain the client's [`Peer`](crate::Peer), as an `Arc`.
#[derive(Clone)]
pub struct Beside<S> {
    service: S,
}

impl<S> Beside<S> {
    /// Answers with this service: a `Router`, or one with layers around it. The service is cloned
    /// for each request.
    pub fn new(service: S) -> Self {
        Self { service }
    }
}

impl<S, R, E> Service for Beside<S>
where
    S: tower_service::Service<Request<axum_core::body::Body>, Response = R, Error = E>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    R: IntoResponse,
    E: Into<BoxError>,
{
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let mut service = self.service.clone();
        Box::pin(async move {
            let request = request.map(axum_core::body::Body::new);
            if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await {
                return failed(&error.into());
            }
            match service.call(request).await {
                Ok(response) => response.into_response().map(Body::new),
                Err(error) => failed(&error.into()),
            }
        })
    }
}

/// Returns the response for a request whose service has failed.
fn failed(error: &BoxError) -> Response<Body> {
    warn!(%error, "a service has failed");
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

impl<S> fmt::Debug for Beside<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").finish_non_exhaustive()
    }
}
