//! A copy of a request, for a second attempt over another connection.

use hyper::body::Body as _;
use hyper::client::conn::TrySendError;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::Uri;
use hyper::{Method, Request};

use super::super::UpstreamError;
use super::upload::Upload;

/// A copy of a request that may be sent again even if the server has seen it (RFC 9110 §9.2.2).
///
/// The fields are a list, because a copy of a `HeaderMap` costs twice as much and few copies are used.
pub(super) struct Retry {
    method: Method,
    target: Uri,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Retry {
    /// Copies a request; `None` if it has a body or is not idempotent.
    pub(super) fn of(request: &Request<Upload>) -> Option<Box<Self>> {
        let is_repeatable = request.method().is_idempotent() && request.body().is_end_stream();
        is_repeatable.then(|| {
            let fields = request.headers().iter();
            Box::new(Self {
                method: request.method().clone(),
                target: request.uri().clone(),
                fields: fields
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            })
        })
    }

    fn into_request(self) -> Request<Upload> {
        let mut request = Request::new(Upload::empty());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target;
        let mut headers = HeaderMap::with_capacity(self.fields.len());
        for (name, value) in self.fields {
            headers.append(name, value);
        }
        *request.headers_mut() = headers;
        request
    }
}

/// The request to send again after a kept connection has failed: the original if the server has not
/// seen it, else the copy.
///
/// # Errors
///
/// The failure, if the request cannot be sent again.
pub(super) fn again(
    mut failed: TrySendError<Request<Upload>>,
    retry: Option<Box<Retry>>,
) -> Result<Request<Upload>, UpstreamError> {
    let unseen = failed.take_message();
    let again = unseen.or_else(|| retry.map(|retry| retry.into_request()));
    again.ok_or_else(|| UpstreamError::Http(failed.into_error()))
}
