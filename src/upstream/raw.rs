//! What the servers of plain bytes have in common.

use bytestring::ByteString;
use polysock_protocols::{RawCodec, Request, Role};

use super::{Connected, UpstreamSettings};
use crate::connection::{Connection, ConnectionOptions};
use crate::transport::Transport;

/// A server of plain bytes that is there for a client which asks for this.
pub(super) fn connected(
    transport: impl Transport,
    settings: &UpstreamSettings,
    request: &Request,
) -> Connected {
    let options = ConnectionOptions {
        session: settings.session,
        ..ConnectionOptions::new("raw", Role::Client)
    };
    let connection = Connection::over(transport, RawCodec::boxed(), options);
    let connection = connection.held_to(&settings.terms);
    Connected {
        subprotocol: subprotocol(request),
        ..connection.into()
    }
}

/// What a client of a byte stream is answered with: the first of what it offers, but `base64`, the
/// convention of websockify, where its protocol has no binary messages.
fn subprotocol(request: &Request) -> Option<ByteString> {
    let text_only = !request.protocol.capabilities().binary;
    let offered = &request.subprotocols;
    let base64 = offered
        .iter()
        .find(|name| text_only && &***name == "base64");
    base64.or(offered.first()).cloned()
}
