//! The choice of the site for an opening handshake, and its validation for that site.

use std::sync::Arc;

use bytestring::ByteString;
use polysock_protocols::{Negotiation, Opening, Recognised, Rejection};

use super::admission::LimitReached;
use super::forwarded::{self, RequestFields};
use super::reason;
use super::refusal::denied;
use super::refused_input::RefusedInput;
use super::serving::Serving;
use crate::http::http2::Exchange;
use crate::route::{RouteQuery, Site};
use crate::transport::{Io, Peer, Permit, TrustedHop};

impl Serving {
    /// Replaces the peer with the client of a request with these fields, if the request came
    /// through a trusted proxy. Returns true if it did. A client whose network is not allowed is
    /// refused.
    pub(super) fn find_client(
        &self,
        peer: &mut Peer,
        fields: &impl RequestFields,
    ) -> Result<bool, Rejection> {
        let client = forwarded::client(peer, &self.settings.forwarded, fields);
        let Some(client) = client else {
            return Ok(false);
        };
        *peer = client;
        match self.settings.networks.include(peer.address) {
            true => Ok(true),
            false => Err(self.refused(
                denied(),
                reason::NETWORK,
                peer,
                RefusedInput::Fields(fields),
            )),
        }
    }

    /// Returns the site for an extended CONNECT, and the opening handshake.
    pub(super) fn select_for_stream(
        &self,
        exchange: &Exchange,
        peer: &mut Peer,
    ) -> Result<(Arc<Site>, Opening), Rejection> {
        let refused_input = RefusedInput::Fields(exchange.fields());
        let is_websocket = |protocol: &str| protocol.eq_ignore_ascii_case("websocket");
        if !exchange.protocol().is_some_and(is_websocket) {
            // RFC 9220 §3.
            let rejection = Rejection::new(501, "the only supported :protocol is websocket");
            return Err(self.refused(rejection, reason::NOT_ENABLED, peer, refused_input));
        }
        let protocols = &self.settings.protocols;
        let head = exchange.head(&self.settings.head);
        let bytes = head.as_ref().ok().map(|head| head.as_bytes().clone());
        let recognised = head.and_then(|head| Negotiation::recognise_stream(protocols, head));
        let refused_input = bytes.as_ref().map_or(refused_input, RefusedInput::Head);
        let recognised =
            recognised.map_err(|error| self.invalid(&error, protocols, peer, refused_input))?;
        self.select(recognised, peer)
    }

    /// Returns the site for a handshake of HTTP/1, and the handshake. A connection through a
    /// trusted proxy is counted for the client that the proxy reports.
    pub(super) fn admit(
        &self,
        recognised: Recognised,
        peer: &mut Peer,
        transport: &mut Io,
    ) -> Result<(Arc<Site>, Opening), Rejection> {
        if self.find_client(peer, &recognised.head)? {
            let counted = self
                .admission
                .count(peer.address)
                .map_err(LimitReached::rejection)?;
            if let Some(counted) = counted {
                transport.add_permit(Permit::new(counted));
            }
        }
        self.select(recognised, peer)
    }

    /// Returns the site for a handshake, which is validated by the settings of that site.
    fn select(
        &self,
        recognised: Recognised,
        peer: &mut Peer,
    ) -> Result<(Arc<Site>, Opening), Rejection> {
        let counted = self.admission.handshake(peer.address);
        counted.map_err(LimitReached::rejection)?;
        let head = recognised.head.as_bytes().clone();
        let recognised = for_host(recognised, TrustedHop::host_of(peer));
        let found = self
            .sites
            .find(&RouteQuery::handshake(&recognised, peer.secure));
        let found = found.map_err(|error| {
            self.refused(
                error.rejection(),
                reason::NO_ROUTE,
                peer,
                RefusedInput::Head(&head),
            )
        })?;
        found.annotate(peer);
        let settings = found.site.settings();
        let own = settings.protocols.as_ref();
        let recognised = match own {
            Some(own) => recognised.among(own),
            None => Ok(recognised),
        };
        let context = settings.context(peer.secure, self.entropy);
        let opening = recognised.and_then(|recognised| recognised.open(&context));
        let protocols = own.unwrap_or(&self.settings.protocols);
        let opening = opening
            .map_err(|error| self.invalid(&error, protocols, peer, RefusedInput::Head(&head)))?;
        Ok((found.site, opening))
    }
}

/// Replaces the host of a handshake with the host that a trusted proxy reports. The answer to hixie
/// clients contains the URL, which must be the one that their page has requested.
fn for_host(recognised: Recognised, host: Option<&ByteString>) -> Recognised {
    let named = host.and_then(|host| recognised.head.with_host(host));
    match named {
        Some(head) => Recognised { head, ..recognised },
        None => recognised,
    }
}
