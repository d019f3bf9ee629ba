//! A request that could not be passed on.

use hyper::Request;

use crate::http::Body;
use crate::upstream::UpstreamError;

/// A request that could not be passed on.
#[derive(Debug)]
pub struct NotAnswered {
    /// Why.
    pub error: UpstreamError,
    /// The request as it came, where nothing was done about it yet: another server may have it.
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
