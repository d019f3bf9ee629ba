//! The record of refused clients: counted, logged, and kept for a while.

use polysock_protocols::{HandshakeError, Protocol, Rejection};

use super::refusal::log_refusal;
use super::said::Said;
use super::serving::Serving;
use crate::telemetry::{Counters, Refusal};
use crate::transport::Peer;

impl Serving {
    /// Counts and logs the refusal of a handshake or a connection for this reason, and returns it.
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

    /// Counts and logs the refusal of an invalid handshake, and returns it.
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
        let client = (peer.id, peer.address);
        let refusal = said.within(|parent| {
            log_refusal(rejection, &detail, peer, parent);
            Refusal::new(client, reason, rejection.status, detail).within(parent)
        });
        self.counters().note_refusal(Refusal {
            head: said.head(),
            ..refusal
        });
    }

    /// The counters that are not specific to a kind of connections.
    pub(super) fn counters(&self) -> &Counters {
        self.settings.registry.metrics().counters()
    }
}
