//! The sender of an ordinary request.

use std::sync::Arc;

use hyper::Request;

use crate::http::Body;
use crate::telemetry::AnsweredBy;
use crate::transport::Peer;

/// The sender of a request, and the slot in which the answering server is recorded.
pub(super) struct Requester {
    pub(super) peer: Arc<Peer>,
    pub(super) answered_by: Option<AnsweredBy>,
}

impl Requester {
    pub(super) fn of(request: &Request<Body>) -> Self {
        let extensions = request.extensions();
        let peer = extensions.get::<Arc<Peer>>();
        Self {
            peer: peer.map_or_else(Arc::default, Arc::clone),
            answered_by: extensions.get::<AnsweredBy>().cloned(),
        }
    }
}
