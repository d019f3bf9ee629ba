//! What the streams of an HTTP/2 connection are for: a WebSocket each (RFC 8441), or a page.

use std::net::SocketAddr;

use polysock_protocols::http::Head;
use polysock_protocols::{HandshakeError, Negotiation, Opening, Rejection};
use tokio::time::Instant;

use super::settings::Settings;
use crate::connection::Shutdown;
use crate::handshake::{Handshake, Pending, Way};
use crate::http::Pages;
use crate::http::http2::Exchange;

/// The opening handshake that a request is; one that is none, or no valid one, is answered.
pub(crate) fn open(
    exchange: Exchange,
    peer: Option<SocketAddr>,
    pages: &Pages,
    settings: &Settings,
    shutdown: &Shutdown,
) -> Option<Handshake> {
    let Some(protocol) = exchange.protocol() else {
        let response = pages.answer(exchange.request());
        exchange.answer(response);
        return None;
    };
    let opened = if protocol.eq_ignore_ascii_case("websocket") {
        negotiate(&exchange, settings).map_err(|error| Rejection::of(&error, &settings.protocols))
    } else {
        // RFC 9220 §3.
        Err(Rejection::new(501, "the :protocol here is websocket"))
    };
    match opened {
        Ok(Opening { request, responder }) => {
            let pending = Pending {
                way: Way::Stream {
                    exchange: Box::new(exchange),
                    responder,
                },
                session: settings.session(),
                deadline: Instant::now() + settings.handshake_timeout,
                peer,
                closer: shutdown.register(),
            };
            Some(Handshake::new(request, pending))
        }
        Err(rejection) => {
            tracing::info!(
                peer = peer.map(tracing::field::display),
                status = rejection.status,
                reason = %rejection.reason(),
                "refuse"
            );
            exchange.refuse(&rejection);
            None
        }
    }
}

fn negotiate(exchange: &Exchange, settings: &Settings) -> Result<Opening, HandshakeError> {
    let request = exchange.request();
    let authority = request.uri().authority();
    let path = request.uri().path_and_query();
    let fields = request.headers().iter();
    let head = Head::of_connect(
        authority.map(|authority| authority.as_str().as_bytes()),
        path.map_or("/", |path| path.as_str()).as_bytes(),
        fields.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())),
        &settings.head,
    )?;
    Negotiation::recognise_stream(&settings.protocols, head)?.open(&settings.context())
}
