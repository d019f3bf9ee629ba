//! A request on an HTTP/2 stream, which is answered once.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_core::future::BoxFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use hyper::body::{Body as _, Frame};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode};
use polysock_protocols::http::{Head, HeadLimits};
use polysock_protocols::{Accept, Fields, HandshakeError, Rejection, Responder};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, warn};

use super::stream::{Stream, io_error};
use crate::connection::ShutdownSignal;
use crate::error::{BoxError, ConnectionError};
use crate::handshake::{Reply, Started};
use crate::http::progress_timeout::{PROGRESS, ProgressTimeout};
use crate::http::{Body, Service};
use crate::telemetry::HandshakeKeeper;
use crate::transport::{Io, Peer, Permit};

/// The fields that belong to HTTP/1 connections.
const OF_CONNECTIONS: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A request that awaits its answer. Dropping it resets the stream.
#[derive(Debug)]
pub(crate) struct Exchange {
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    permit: Option<OwnedSemaphorePermit>,
    /// The first data after the head, if [`poll_disconnected`](Self::poll_disconnected) has read any.
    early: Bytes,
}

impl Exchange {
    pub(super) fn new(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            request,
            respond,
            permit,
            early: Bytes::new(),
        }
    }

    /// Returns the head of an extended CONNECT in the form of text.
    ///
    /// # Errors
    ///
    /// The head exceeds the limits or is not allowed.
    pub(crate) fn head(&self, limits: &HeadLimits) -> Result<Head, HandshakeError> {
        let authority = self.request.uri().authority();
        let path = self.request.uri().path_and_query();
        let fields = self.request.headers().iter();
        Head::of_connect(
            authority.map(|authority| authority.as_str().as_bytes()),
            path.map_or("/", |path| path.as_str()).as_bytes(),
            fields.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())),
            limits,
        )
    }

    /// Returns the fields of the request.
    pub(crate) fn fields(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// Returns the `:protocol` of an extended CONNECT (RFC 8441 §4).
    pub(crate) fn protocol(&self) -> Option<&str> {
        let protocol = self.request.extensions().get::<h2::ext::Protocol>();
        protocol.map(h2::ext::Protocol::as_str)
    }

    /// Accepts an extended CONNECT. The stream is then the transport.
    ///
    /// # Errors
    ///
    /// The peer has reset the stream or has disconnected.
    pub(crate) fn accept(mut self, fields: &Fields) -> io::Result<Stream> {
        let mut response = Response::new(());
        for (name, value) in fields.iter() {
            add(response.headers_mut(), name, value);
        }
        let sent = self.respond.send_response(response, false);
        let sender = sent.map_err(io_error)?;
        let body = self.request.into_body();
        Ok(Stream::new(sender, body, self.early, self.permit))
    }

    /// Ready if, before the answer, the peer resets the stream, ends its direction or disconnects.
    fn poll_disconnected(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.early.is_empty() {
            match self.request.body_mut().poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => self.early = data,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        self.respond.poll_reset(cx).map(drop)
    }

    /// Refuses the request, with a text for humans.
    pub(crate) fn refuse(self, rejection: &Rejection) {
        let mut response = Response::new(rejection.body.clone());
        let status = StatusCode::from_u16(rejection.status);
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        for (name, value) in rejection.fields.iter() {
            add(headers, name, value);
        }
        if !rejection.body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            headers.insert(CONTENT_TYPE, text);
        }
        self.answer(response);
    }

    /// Passes an ordinary request to a service and sends the answer as the peer opens its window. A
    /// reset by the peer cancels both. The signal is that of the connection.
    pub(crate) async fn serve(
        self,
        service: impl Service,
        peer: Arc<Peer>,
        shutdown: ShutdownSignal,
    ) {
        let Self {
            request,
            mut respond,
            permit,
            ..
        } = self;
        let is_head = request.method() == Method::HEAD;
        let mut request = request.map(|body| {
            let progress_timeout = ProgressTimeout::default();
            Body::new(Incoming {
                body,
                progress_timeout,
            })
        });
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(shutdown);
        let call = service.call(request);
        let answered = async {
            let response = tokio::select! {
                response = call => response,
                _ = poll_fn(|cx| respond.poll_reset(cx)) => return Ok(()),
            };
            send(&mut respond, response, is_head).await
        };
        if let Err(error) = answered.await {
            debug!(%error, "the client disconnected before the answer");
        }
        drop(permit);
    }

    /// Sends an answer whose body is in memory.
    fn answer(mut self, response: Response<Bytes>) {
        let (mut head, body) = response.into_parts();
        complete(&mut head.headers, Some(body.len() as u64));
        let is_whole = body.is_empty() || self.request.method() == Method::HEAD;
        let sent = self
            .respond
            .send_response(Response::from_parts(head, ()), is_whole);
        let sent = sent.and_then(|mut sender| match is_whole {
            true => Ok(()),
            false => sender.send_data(body, true),
        });
        if let Err(error) = sent {
            debug!(%error, "the client disconnected before the answer");
        }
    }
}

/// Sends a response as its body yields it, and no faster than the peer reads it.
async fn send(
    respond: &mut SendResponse<Bytes>,
    response: Response<Body>,
    is_head: bool,
) -> Result<(), BoxError> {
    let (mut head, mut body) = response.into_parts();
    // The size of an absent body says nothing about the `Content-Length` of the resource.
    let is_bodiless =
        is_head || head.status == StatusCode::NO_CONTENT || head.status == StatusCode::NOT_MODIFIED;
    let len = body.size_hint().exact();
    complete(
        &mut head.headers,
        len.filter(|len| *len > 0 || !is_bodiless),
    );
    let is_whole = is_head || body.is_end_stream();
    let mut sender = respond.send_response(Response::from_parts(head, ()), is_whole)?;
    if is_whole {
        return Ok(());
    }
    loop {
        // The body may stay pending for ever, and a reset by the peer must be noticed all the same.
        let next = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Pending => sender.poll_reset(cx).map(|_| None),
            frame @ Poll::Ready(_) => frame.map(Some),
        });
        let Some(frame) = next.await else {
            return Err("reset".into());
        };
        let frame = match frame {
            None => break,
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                // The peer must not treat a partial body as complete.
                sender.send_reset(Reason::INTERNAL_ERROR);
                return Err(error);
            }
        };
        match frame.into_data() {
            Ok(data) => {
                let ends = body.is_end_stream();
                send_data(&mut sender, data, ends).await?;
                if ends {
                    return Ok(());
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return Ok(sender.send_trailers(trailers)?);
                }
            }
        }
    }
    Ok(sender.send_data(Bytes::new(), true)?)
}

/// Sends data as far as the peer's windows allow. Resets the stream if the peer makes no room for
/// [`PROGRESS`].
async fn send_data(
    sender: &mut SendStream<Bytes>,
    mut data: Bytes,
    ends: bool,
) -> Result<(), h2::Error> {
    let mut progress_timeout = ProgressTimeout::default();
    while !data.is_empty() {
        sender.reserve_capacity(data.len());
        while sender.capacity() == 0 {
            let granted = poll_fn(|cx| match sender.poll_capacity(cx) {
                Poll::Pending => {
                    ready!(progress_timeout.poll_over(PROGRESS, cx));
                    sender.send_reset(Reason::CANCEL);
                    Poll::Ready(Some(Err(Reason::CANCEL.into())))
                }
                granted @ Poll::Ready(_) => granted,
            });
            match granted.await {
                Some(granted) => drop(granted?),
                // The stream has ended; `send_data` returns the error.
                None => break,
            }
        }
        let room = sender.capacity().max(1).min(data.len());
        progress_timeout.record(room);
        let part = data.split_to(room);
        sender.send_data(part, ends && data.is_empty())?;
    }
    Ok(())
}

/// Adds the fields that every answer has, and removes those that belong to HTTP/1 connections
/// (RFC 9113 §8.2.2).
fn complete(headers: &mut HeaderMap, len: Option<u64>) {
    for name in OF_CONNECTIONS {
        headers.remove(name);
    }
    if let Some(len) = len {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| len.into());
    }
    if !headers.contains_key(DATE) {
        let date = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()));
        headers.extend(date.map(|date| (DATE, date)));
    }
}

/// The body of a request. Reading it opens the peer's window. Reading fails if the peer makes no
/// progress for [`PROGRESS`].
#[derive(Debug)]
struct Incoming {
    body: RecvStream,
    progress_timeout: ProgressTimeout,
}

impl Incoming {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let data = self.body.poll_data(cx);
        match &data {
            Poll::Ready(Some(Ok(data))) => self.progress_timeout.record(data.len()),
            Poll::Ready(_) => {}
            Poll::Pending => {
                ready!(self.progress_timeout.poll_over(PROGRESS, cx));
                return Poll::Ready(Some(Err(Reason::CANCEL.into())));
            }
        }
        data
    }
}

impl hyper::body::Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Some(data) = ready!(self.poll_data(cx)) {
            return Poll::Ready(Some(data.map(|data| {
                // This fails only for a stream that has ended, whose window no longer matters.
                let _ = self.body.flow_control().release_capacity(data.len());
                Frame::data(data)
            })));
        }
        let trailers = ready!(self.body.poll_trailers(cx));
        Poll::Ready(
            trailers
                .transpose()
                .map(|trailers| trailers.map(Frame::trailers)),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// An opening handshake on a stream, which awaits its answer (RFC 8441 §5).
#[derive(Debug)]
pub(crate) struct StreamReply {
    pub(crate) exchange: Exchange,
    pub(crate) responder: Box<dyn Responder>,
    pub(crate) permit: Permit,
}

impl Reply for StreamReply {
    fn accept(
        self: Box<Self>,
        accept: Accept,
        _: HandshakeKeeper,
    ) -> BoxFuture<'static, Result<Started, ConnectionError>> {
        let Self {
            exchange,
            mut responder,
            permit,
        } = *self;
        Box::pin(async move {
            let answer = responder.respond_on_stream(&accept);
            let answer = answer.ok_or(ConnectionError::Aborted)?;
            Ok(Started {
                transport: Io::new(exchange.accept(&answer.fields)?).with_permit(permit),
                codec: answer.codec,
                incoming: BytesMut::new(),
                handshake: None,
            })
        })
    }

    fn poll_disconnected(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.exchange.poll_disconnected(cx)
    }

    fn refuse(self: Box<Self>, rejection: Rejection) {
        self.exchange.refuse(&rejection);
    }
}

/// Adds a field unless it belongs to HTTP/1 connections (RFC 9113 §8.2.2).
fn add(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let name = HeaderName::from_bytes(name.as_bytes());
    match (name, HeaderValue::from_bytes(value)) {
        (Ok(name), _) if OF_CONNECTIONS.contains(&name) => {}
        (Ok(name), Ok(value)) => {
            headers.append(name, value);
        }
        (name, _) => warn!(?name, "an invalid header field is left out"),
    }
}
