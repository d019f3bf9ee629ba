//! An opening handshake whose answer is sent as a response of hyper, which turns the connection
//! into a WebSocket (RFC 6455 §4.2.2, RFC 8441 §5).

use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_core::future::BoxFuture;
use hyper::upgrade::OnUpgrade;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use polysock_protocols::http::{Head, HeadLimits};
use polysock_protocols::{Accept, Codec, Rejection, Responder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::error::ConnectionError;
use crate::handshake::{Reply, Started};
use crate::http::{Body, append, rejected};
use crate::telemetry::HandshakeKeeper;
use crate::transport::Io;

/// An unanswered request of hyper.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) responder: Box<dyn Responder>,
    pub(super) answer: oneshot::Sender<Response<Body>>,
    pub(super) upgrade: OnUpgrade,
}

/// An answer, and the codec. The codec is `None` if the handshake needs more bytes.
struct Answer {
    response: Response<Body>,
    codec: Option<Box<dyn Codec>>,
}

impl Carrier {
    /// Returns the head of the accepting answer, as a response.
    fn respond(&mut self, accept: &Accept) -> Result<Answer, ConnectionError> {
        let mut response = Response::new(Body::from(bytes::Bytes::new()));
        if let Some(answer) = self.responder.respond_on_stream(accept) {
            for (name, value) in answer.fields.iter() {
                append(response.headers_mut(), name.as_bytes(), value);
            }
            let codec = Some(answer.codec);
            return Ok(Answer { response, codec });
        }
        let (mut none, mut text) = (BytesMut::new(), BytesMut::new());
        let codec = self.responder.respond(accept, &mut none, &mut text)?;
        // No limit applies to a head that we have written ourselves.
        let limits = HeadLimits {
            head: usize::MAX,
            fields: usize::MAX,
        };
        let head = Head::parse(&text, text.len(), &limits);
        let head = head.map_err(|error| ConnectionError::Handshake(error.into()))?;
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in head.fields() {
            append(response.headers_mut(), name, value);
        }
        Ok(Answer { response, codec })
    }
}

impl Reply for Carrier {
    fn accept(
        mut self: Box<Self>,
        accept: Accept,
        _: HandshakeKeeper,
    ) -> BoxFuture<'static, Result<Started, ConnectionError>> {
        Box::pin(async move {
            let Answer { response, codec } = self.respond(&accept)?;
            let sent = self.answer.send(response);
            sent.map_err(|_| ConnectionError::Aborted)?;
            let upgraded = self.upgrade.await.map_err(|_| ConnectionError::Aborted)?;
            let mut transport = Io::new(TokioIo::new(upgraded));
            let (mut incoming, mut rest) = (BytesMut::new(), BytesMut::new());
            let mut codec = codec;
            // In hixie-76 the answer continues once the eight bytes after the client's head are
            // read.
            let codec = loop {
                if let Some(codec) = codec {
                    break codec;
                }
                if transport.read_buf(&mut incoming).await? == 0 {
                    return Err(ConnectionError::Aborted);
                }
                codec = self.responder.respond(&accept, &mut incoming, &mut rest)?;
                transport.write_all(&rest).await?;
                rest.clear();
            };
            transport.flush().await?;
            Ok(Started {
                transport,
                codec,
                incoming,
                handshake: None,
            })
        })
    }

    /// Ready once hyper has dropped the receiver of the answer.
    fn poll_disconnected(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.answer.poll_closed(cx)
    }

    fn refuse(self: Box<Self>, rejection: Rejection) {
        // A disconnected client receives no answer.
        let _ = self.answer.send(rejected(&rejection));
    }
}
