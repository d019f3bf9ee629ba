//! Which site an opening handshake is for, and whether it is valid there.

use std::sync::Arc;

use polysock_protocols::{Negotiation, Opening, Recognised, Rejection};

use super::refusal::{logged, rejection_of};
use super::serving::Serving;
use crate::http::http2::Exchange;
use crate::route::{Asked, Site};
use crate::transport::Peer;

impl Serving {
    /// The site for an extended CONNECT, and its handshake.
    pub(super) fn select_for_stream(
        &self,
        exchange: &Exchange,
        peer: &mut Peer,
    ) -> Result<(Arc<Site>, Opening), Rejection> {
        let protocols = &self.settings.protocols;
        let head = exchange.head(&self.settings.head);
        let recognised = head.and_then(|head| Negotiation::recognise_stream(protocols, head));
        let recognised = recognised.map_err(|error| rejection_of(&error, protocols, peer))?;
        self.select(recognised, peer)
    }

    /// The site for a handshake, which is valid by what that site allows.
    pub(super) fn select(
        &self,
        recognised: Recognised,
        peer: &mut Peer,
    ) -> Result<(Arc<Site>, Opening), Rejection> {
        let found = self.sites.find(&Asked::handshake(&recognised));
        let found = found.map_err(|error| logged(error.rejection(), peer))?;
        found.tell(peer);
        let settings = found.site.settings();
        let protocols = settings.protocols.as_ref();
        let protocols = protocols.unwrap_or(&self.settings.protocols);
        let opening = recognised
            .among(protocols)
            .and_then(|own| own.open(&settings.context(peer.secure, self.entropy)));
        let opening = opening.map_err(|error| rejection_of(&error, protocols, peer))?;
        Ok((found.site, opening))
    }
}
