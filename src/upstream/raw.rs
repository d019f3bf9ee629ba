//! The common part of servers that speak plain bytes.

use bytestring::ByteString;
use polysock_protocols::{RawCodec, Request, Role};

use super::{Client, Connected, UpstreamError, UpstreamSettings};
use crate::connection::{Connection, ConnectionOptions};
use crate::transport::Io;

/// Connects to a server that speaks plain bytes, for a client.
pub(super) async fn connected(
    connecting: impl Future<Output = Result<Io, UpstreamError>>,
    settings: &UpstreamSettings,
    client: Client<'_>,
) -> Result<Connected, UpstreamError> {
    let transport = settings.in_time(connecting).await?;
    let options = ConnectionOptions {
        session: settings.session,
        ..ConnectionOptions::new("raw", Role::Client)
    };
    let connection = Connection::new(transport, RawCodec::boxed(), options);
    let connection = connection.held_to(&settings.terms);
    Ok(Connected {
        subprotocol: subprotocol(client.request),
        ..connection.into()
    })
}

/// Returns the subprotocol for a client of a byte stream: the first that it offers. If the client's
/// protocol has no binary messages, an offered `base64`, the convention of websockify, comes first.
pub(super) fn subprotocol(request: &Request) -> Option<ByteString> {
    let text_only = !request.protocol.capabilities().binary;
    let offered = &request.subprotocols;
    let base64 = offered
        .iter()
        .find(|name| text_only && &***name == "base64");
    base64.or(offered.first()).cloned()
}
