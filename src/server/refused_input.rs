//! The part of a refused request that is recorded.

use bytes::Bytes;

use super::forwarded::RequestFields;
use crate::telemetry::{TRACE_PARENT, TraceParent};

/// The part of a refused request that is recorded.
#[derive(Clone, Copy)]
pub(super) enum RefusedInput<'a> {
    /// The head of the request, or the bytes that were received of it.
    Head(&'a Bytes),
    /// The fields of a request whose head is not kept.
    Fields(&'a dyn RequestFields),
}

impl RefusedInput<'_> {
    /// The head; `None` if it is not kept.
    pub(super) fn head(self) -> Option<Bytes> {
        match self {
            Self::Head(head) => Some(head.clone()),
            Self::Fields(_) => None,
        }
    }

    /// Calls a function with the trace that the request is part of.
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
