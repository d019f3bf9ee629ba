//! The client's side of an opening handshake, over any transport.

use std::io;

use bytes::BytesMut;
use polysock_protocols::{
    Context, Dial, DialError, Dialled, Protocol, Response, Role, SessionConfig,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{HeaderPolicy, Refusal, UpstreamError};
use crate::connection::{Connection, ConnectionOptions};
use crate::telemetry::HandshakeKeeper;
use crate::transport::{Io, Transport};

/// Performs an opening handshake as a client, over a transport that is already connected: a socket,
/// TLS, a process, or memory. The handshake has no time limit: wrap the call in a `timeout`.
///
/// # Errors
///
/// The protocol cannot express the request, the server refuses or breaks the protocol, or the
/// transport fails.
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
    let transport = Io::new(transport);
    let kept = HandshakeKeeper::default();
    match answer(transport, protocol, dial, context, session, kept).await? {
        Answer::Accepted { connection, .. } => Ok(connection),
        Answer::Refused { response, .. } => {
            let refusal = Refusal {
                response,
                body: None,
                policy: HeaderPolicy::default(),
            };
            Err(UpstreamError::Refused(Box::new(refusal)))
        }
    }
}

/// The answer of a server.
pub(super) enum Answer {
    Accepted {
        connection: Connection,
        response: Box<Response>,
    },
    /// The server refuses. The body has not been read yet.
    Refused {
        response: Response,
        transport: Io,
        incoming: BytesMut,
    },
}

/// The same as [`dial`], up to the head of the answer. `kept` records the bytes if that is wanted.
pub(super) async fn answer(
    mut transport: Io,
    protocol: &'static dyn Protocol,
    dial: &Dial,
    context: &Context,
    session: SessionConfig,
    mut kept: HandshakeKeeper,
) -> Result<Answer, UpstreamError> {
    let mut dialer = protocol.dial(dial, context)?;
    let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
    let Dialled { response, codec } = loop {
        kept.received(&incoming);
        let dialled = match dialer.advance(&mut incoming, &mut outgoing) {
            Err(DialError::Refused(response)) => {
                return Ok(Answer::Refused {
                    response: *response,
                    transport,
                    incoming,
                });
            }
            other => other?,
        };
        kept.leave(incoming.len());
        kept.sent(&outgoing);
        transport.write_all_buf(&mut outgoing).await?;
        // TLS and other transports may buffer data.
        transport.flush().await?;
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
        subprotocol: response.subprotocol.clone(),
        incoming,
        session,
    };
    let mut connection = Connection::new(transport, codec, options);
    connection.keep_handshake(kept.finish());
    Ok(Answer::Accepted {
        connection,
        response: Box::new(response),
    })
}
