//! Which compression, and with which parameters: what a server chooses of the offers, what a
//! client offers and accepts.

use super::agreed::Agreed;
use super::{Extension, FIELD, deflate_frame, parse, permessage_deflate};
use crate::compression::Compression;
use crate::error::HandshakeError;
use crate::http::Head;
use crate::protocol::DialError;

/// As a server, chooses among the offers of a request; also what the answer says.
///
/// `permessage-deflate` is preferred to what came before it. Of several offers of it, the first
/// that can be honoured is taken: the later ones are a client's fallbacks (RFC 7692 §5.2).
///
/// # Errors
///
/// [`HandshakeError::Extensions`] for what is no list of offers; an offer that is unknown or makes
/// no sense is none.
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

/// What a client offers.
pub(crate) fn offer(ours: &Compression) -> String {
    let preferred = permessage_deflate::offer(ours);
    format!("{preferred}, {}", deflate_frame::OFFER)
}

/// As a client, reads what a server has accepted of [`offer`]; `None` for nothing.
///
/// # Errors
///
/// The server accepted what was not offered, or with parameters that it must not give (RFC 6455
/// §9.1, RFC 7692 §7.1).
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
