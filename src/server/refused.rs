//! The record of refused clients: counted, logged, and kept for a while.

use polysock_protocols::{HandshakeError, Protocol, Rejection};

use super::refusal::log_refusal;
use super::refused_input::RefusedInput;
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
        refused_input: RefusedInput<'_>,
    ) -> Rejection {
        let detail = rejection.reason().to_string();
        self.note_refusal(&rejection, reason, detail, peer, refused_input);
        rejection
    }

    /// Counts and logs the refusal of an invalid handshake, and returns it.
    pub(super) fn invalid(
        &self,
        error: &HandshakeError,
        protocols: &[&'static dyn Protocol],
        peer: &Peer,
        refused_input: RefusedInput<'_>,
    ) -> Rejection {
        let rejection = Rejection::of(error, protocols);
        self.note_refusal(
            &rejection,
            error.kind(),
            error.to_string(),
            peer,
            refused_input,
        );
        rejection
    }

    fn note_refusal(
        &self,
        rejection: &Rejection,
        reason: &'static str,
        detail: String,
        peer: &Peer,
        refused_input: RefusedInput<'_>,
    ) {
        let client = (peer.id, peer.address);
        let refusal = refused_input.within(|parent| {
            log_refusal(rejection, &detail, peer, parent);
            Refusal::new(client, reason, rejection.status, detail).within(parent)
        });
        self.counters().note_refusal(Refusal {
            head: refused_input.head(),
            ..refusal
        });
    }

    /// The counters that are not specific to a kind of connections.
    pub(super) fn counters(&self) -> &Counters {
        self.settings.registry.metrics().counters()
    }
}
