//! Negotiation of compression: the server's choice among offers, the client's offer and acceptance.

use super::agreed::Agreed;
use super::{Extension, FIELD, deflate_frame, parse, permessage_deflate};
use crate::compression::Compression;
use crate::error::HandshakeError;
use crate::http::Head;
use crate::protocol::DialError;

/// Chooses among the offers of a request, as a server; returns the agreement and the answer, or
/// `None` if no offer is accepted.
///
/// `permessage-deflate` is preferred to its predecessors. The first offer of it that can be
/// honoured is chosen: the later ones are fallbacks (RFC 7692 §5.2).
///
/// # Errors
///
/// [`HandshakeError::Extensions`] if the fields are not a list of offers. An unknown or invalid
/// offer is ignored.
pub(crate) fn choose(
    head: &Head,
    ours: Option<&Compression>,
) -> Result<Option<(Agreed, String)>, HandshakeError> {
    let offers = parse(head)?;
    let Some(ours) = ours else {
        return Ok(None);
    };
    let first = |choose: fn(&Extension<'_>, &Compression) -> Option<(Agreed, String)>| {
        offers.iter().find_map(|offer| choose(offer, ours))
    };
    Ok(first(permessage_deflate::choose).or_else(|| first(deflate_frame::choose)))
}

/// Returns the offer of a client.
pub(crate) fn offer(ours: &Compression) -> String {
    let preferred = permessage_deflate::offer(ours);
    format!("{preferred}, {}", deflate_frame::OFFER)
}

/// Reads the extensions of [`offer`] that a server has accepted, as a client; `None` if there are
/// none.
///
/// # Errors
///
/// The server accepted what was not offered, or its parameters are not allowed (RFC 6455 §9.1, RFC
/// 7692 §7.1).
pub(crate) fn accept(head: &Head, ours: Option<&Compression>) -> Result<Option<Agreed>, DialError> {
    let error = || DialError::Answer("Sec-WebSocket-Extensions");
    if !head.has(FIELD) {
        return Ok(None);
    }
    let answers = parse(head).map_err(|_| error())?;
    match (&answers[..], ours) {
        ([], _) => Ok(None),
        ([answer], Some(ours)) => permessage_deflate::accept(answer, ours)
            .or_else(|| deflate_frame::accept(answer, ours))
            .map(Some)
            .ok_or_else(error),
        _ => Err(error()),
    }
}
