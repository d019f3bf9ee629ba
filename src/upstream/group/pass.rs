//! The proxying of ordinary requests to one of several web servers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::header::HeaderValue;
use hyper::{Request, Response};

use super::{Group, Key, Lease};
use crate::error::BoxError;
use crate::http::Body;
use crate::transport::Peer;
use crate::upstream::{NotAnswered, UpstreamError};

impl Group {
    /// Proxies a request to one of the targets that are web servers (`http://`, `https://`), as
    /// [`HttpUpstream::send`](crate::upstream::HttpUpstream::send) does. If a target cannot be
    /// connected to, the next is tried. If it disconnects before it answers or does not answer in
    /// time, the next is tried if the request has no body and is idempotent (RFC 9110 §9.2.2). The
    /// answer counts as a connection of the target until its body has ended.
    ///
    /// # Errors
    ///
    /// No target is available, or the target that was sent the request does not answer it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, or the body of the answer, cancels the request.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, NotAnswered> {
        let key = self.key_of(&request);
        let (mut tried, mut failure) = (Vec::new(), None);
        while let Some(mut lease) = self.pick(key, &tried) {
            let Some(server) = lease.web_server().cloned() else {
                failure = Some(UpstreamError::Unsupported("the target is not a web server"));
                tried.push(lease);
                continue;
            };
            let spare = repeated(&request);
            let NotAnswered {
                error,
                request: unsent,
            } = match server.send(request).await {
                Ok(answer) => {
                    lease.succeeded();
                    return Ok(answer.map(|body| {
                        Body::new(Held {
                            body,
                            _lease: lease,
                        })
                    }));
                }
                Err(failed) => failed,
            };
            let is_its_fault = lease.failed(&error);
            match unsent.map(|unsent| *unsent).or(spare) {
                Some(again) if is_its_fault => request = again,
                _ => {
                    return Err(NotAnswered {
                        error,
                        request: None,
                    });
                }
            }
            tried.push(lease);
            failure = Some(error);
        }
        let error = match failure {
            Some(error) if self.members.list().len() == 1 => error,
            Some(_) | None => self.none_left(),
        };
        let request = Some(Box::new(request));
        Err(NotAnswered { error, request })
    }

    fn key_of(&self, request: &Request<Body>) -> Option<Key> {
        let peer = request.extensions().get::<Arc<Peer>>();
        let address = peer.and_then(|peer| peer.address);
        let target = request.uri().path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let balance = &self.settings.balance;
        balance.key(target, address.map(|address| address.ip()), |name| {
            let values = request.headers().get_all(name).iter();
            values.map(HeaderValue::as_bytes).collect()
        })
    }
}

/// Returns a copy of a request that can be sent again; `None` if it has a body or is not
/// idempotent.
fn repeated(request: &Request<Body>) -> Option<Request<Body>> {
    if !(request.method().is_idempotent() && request.body().is_end_stream()) {
        return None;
    }
    let mut copy = Request::new(Body::from(Bytes::new()));
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    copy.extensions_mut().clone_from(request.extensions());
    Some(copy)
}

/// The body of an answer, with the lease of its target.
struct Held {
    body: Body,
    _lease: Lease,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
