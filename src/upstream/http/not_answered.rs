//! A request that was not answered.

use hyper::Request;

use crate::http::Body;
use crate::upstream::UpstreamError;

/// A request that was not answered.
#[derive(Debug)]
pub struct NotAnswered {
    /// The reason.
    pub error: UpstreamError,
    /// The unchanged request if nothing of it was sent; another server may get it. Otherwise
    /// `None`.
    pub request: Option<Box<Request<Body>>>,
}

impl From<UpstreamError> for NotAnswered {
    fn from(error: UpstreamError) -> Self {
        Self {
            error,
            request: None,
        }
    }
}
