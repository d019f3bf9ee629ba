//! What a client has said that is refused.

use bytes::Bytes;

use super::forwarded::Named;
use crate::telemetry::{TRACE_PARENT, TraceParent};

/// What a client has said that is refused.
#[derive(Clone, Copy)]
pub(super) enum Said<'a> {
    /// The head of its request, or what was to be one.
    Head(&'a Bytes),
    /// The fields of its request, whose head is not kept.
    Fields(&'a dyn Named),
}

impl Said<'_> {
    /// The head, where it is kept.
    pub(super) fn head(self) -> Option<Bytes> {
        match self {
            Self::Head(head) => Some(head.clone()),
            Self::Fields(_) => None,
        }
    }

    /// Has the trace that it is part of be used for something.
    pub(super) fn within<T>(self, then: impl FnOnce(Option<TraceParent<'_>>) -> T) -> T {
        match self {
            Self::Head(head) => then(TraceParent::of_head(head)),
            Self::Fields(fields) => {
                let value = fields.joined(TRACE_PARENT).unwrap_or_default();
                then(TraceParent::read(value.as_bytes()))
            }
        }
    }
}
