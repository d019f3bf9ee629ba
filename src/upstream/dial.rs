//! The client's side of an opening handshake, over any transport.

use std::io;

use bytes::BytesMut;
use polysock_protocols::{Context, Dial, Dialled, Protocol, Role, SessionConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::UpstreamError;
use crate::connection::{Connection, ConnectionOptions};
use crate::transport::{Io, Transport};

/// Performs an opening handshake as a client, over a transport that is connected already: a
/// socket, TLS, a process, or memory. No time is bounded here: put it into a `timeout`.
///
/// # Errors
///
/// The protocol cannot express what is asked for, the server refuses or breaks the protocol, or
/// the transport fails.
///
/// # Cancel safety
///
/// Not cancel safe: the transport is dropped with the handshake.
pub async fn dial(
    transport: impl Transport,
    protocol: &'static dyn Protocol,
    dial: &Dial,
    context: &Context,
    session: SessionConfig,
) -> Result<Connection, UpstreamError> {
    let mut transport = Io::new(transport);
    let mut dialer = protocol.dial(dial, context)?;
    let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
    let Dialled { response, codec } = loop {
        let dialled = dialer.advance(&mut incoming, &mut outgoing)?;
        transport.write_all_buf(&mut outgoing).await?;
        if let Some(dialled) = dialled {
            break dialled;
        }
        if transport.read_buf(&mut incoming).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    };
    let options = ConnectionOptions {
        protocol: protocol.name(),
        role: Role::Client,
        subprotocol: response.subprotocol,
        incoming,
        session,
    };
    Ok(Connection::new(transport, codec, options))
}
