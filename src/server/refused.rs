//! Who is refused is counted, and known for a while.

use bytes::Bytes;
use polysock_protocols::{HandshakeError, Protocol, Rejection};

use super::forwarded::Named;
use super::refusal::log_refusal;
use super::serving::Serving;
use crate::telemetry::{Counters, Refusal, TRACE_PARENT, TraceParent};
use crate::transport::Peer;

/// What a client has said that is refused.
#[derive(Clone, Copy)]
pub(super) enum Said<'a> {
    /// The head of its request, or what was to be one.
    Head(&'a Bytes),
    /// The fields of its request, whose head is not kept.
    Fields(&'a dyn Named),
}

impl Serving {
    /// Has it be known that a handshake, or a connection, is refused for this reason; the log says it as well.
    pub(super) fn refused(
        &self,
        rejection: Rejection,
        reason: &'static str,
        peer: &Peer,
        said: Said<'_>,
    ) -> Rejection {
        let detail = rejection.reason().to_string();
        self.note_refusal(&rejection, reason, detail, peer, said);
        rejection
    }

    /// The same, for what is no valid handshake.
    pub(super) fn invalid(
        &self,
        error: &HandshakeError,
        protocols: &[&'static dyn Protocol],
        peer: &Peer,
        said: Said<'_>,
    ) -> Rejection {
        let rejection = Rejection::of(error, protocols);
        self.note_refusal(&rejection, error.kind(), error.to_string(), peer, said);
        rejection
    }

    fn note_refusal(
        &self,
        rejection: &Rejection,
        reason: &'static str,
        detail: String,
        peer: &Peer,
        said: Said<'_>,
    ) {
        let value;
        let (head, parent) = match said {
            Said::Head(head) => (Some(head), TraceParent::of_head(head)),
            Said::Fields(fields) => {
                value = fields.joined(TRACE_PARENT).unwrap_or_default();
                (None, TraceParent::read(value.as_bytes()))
            }
        };
        log_refusal(rejection, &detail, peer, parent);
        let client = (peer.id, peer.address);
        self.counters().note_refusal(Refusal {
            head: head.cloned(),
            ..Refusal::new(client, reason, rejection.status, detail).within(parent)
        });
    }

    /// What is counted beside what each kind of connections has.
    pub(super) fn counters(&self) -> &Counters {
        self.settings.registry.metrics().counters()
    }
}
