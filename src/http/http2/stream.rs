//! A stream of HTTP/2: a request that is answered once, or a transport.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode};
use polysock_protocols::{Fields, Rejection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, warn};

use super::SEND_BUFFER;

/// A request that waits for an answer. One that is dropped is reset.
#[derive(Debug)]
pub(crate) struct Exchange {
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    permit: Option<OwnedSemaphorePermit>,
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
        }
    }

    pub(crate) fn request(&self) -> &Request<RecvStream> {
        &self.request
    }

    /// The `:protocol` of an extended CONNECT (RFC 8441 §4).
    pub(crate) fn protocol(&self) -> Option<&str> {
        let protocol = self.request.extensions().get::<h2::ext::Protocol>();
        protocol.map(h2::ext::Protocol::as_str)
    }

    /// Accepts an extended CONNECT: the stream is the transport then.
    ///
    /// # Errors
    ///
    /// The peer has reset the stream, or gone.
    pub(crate) fn accept(mut self, fields: &Fields) -> io::Result<Stream> {
        let mut response = Response::new(());
        for (name, value) in fields.iter() {
            add(response.headers_mut(), name, value);
        }
        let sent = self.respond.send_response(response, false);
        Ok(Stream {
            _permit: self.permit,
            sender: sent.map_err(io_error)?,
            body: self.request.into_body(),
            chunk: Bytes::new(),
        })
    }

    /// Refuses, with a text for people.
    pub(crate) fn refuse(self, rejection: &Rejection) {
        let mut response = Response::new(rejection.body.clone());
        let status = StatusCode::from_u16(rejection.status);
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        for (name, value) in rejection.fields.iter() {
            add(headers, name, value);
        }
        if !headers.contains_key(CONTENT_TYPE) {
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            headers.insert(CONTENT_TYPE, text);
        }
        self.answer(response);
    }

    /// Answers with a whole response. It goes out as the peer opens its window.
    pub(crate) fn answer(mut self, response: Response<Bytes>) {
        let (mut head, body) = response.into_parts();
        head.headers.remove(CONNECTION);
        head.headers.remove(UPGRADE);
        head.headers.insert(CONTENT_LENGTH, body.len().into());
        let date = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()));
        head.headers.extend(date.map(|date| (DATE, date)));
        let is_whole = body.is_empty() || self.request.method() == Method::HEAD;
        let response = Response::from_parts(head, ());
        let sent = self.respond.send_response(response, is_whole);
        let sent = sent.and_then(|mut sender| {
            if is_whole {
                return Ok(());
            }
            sender.send_data(body, true)
        });
        if let Err(error) = sent {
            debug!(%error, "gone before its answer");
        }
    }
}

/// Adds a field, unless it belongs to connections of HTTP/1 (RFC 9113 §8.2.2).
fn add(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let name = HeaderName::from_bytes(name.as_bytes());
    match (name, HeaderValue::from_bytes(value)) {
        (Ok(CONNECTION | TRANSFER_ENCODING | UPGRADE), _) => {}
        (Ok(name), Ok(value)) => {
            headers.append(name, value);
        }
        (name, _) => warn!(?name, "a field that HTTP cannot express is left out"),
    }
}

/// The bytes of a stream in both directions: DATA frames, wherever they are cut.
#[derive(Debug)]
pub(crate) struct Stream {
    // Given back when nobody uses the stream any more.
    _permit: Option<OwnedSemaphorePermit>,
    sender: SendStream<Bytes>,
    body: RecvStream,
    /// What of a DATA frame has not been read yet.
    chunk: Bytes,
}

impl AsyncRead for Stream {
    /// Opens the peer's window by what is read, and by nothing else.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            if this.chunk.is_empty() {
                match this.body.poll_data(cx) {
                    Poll::Ready(Some(Ok(chunk))) => this.chunk = chunk,
                    Poll::Ready(None) => break,
                    // What came before is read first.
                    _ if buf.filled().len() > before => break,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(io_error(error))),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let count = this.chunk.len().min(buf.remaining());
            buf.put_slice(&this.chunk.split_to(count));
            // It fails for a stream that is over, whose window is of no use.
            let _ = this.body.flow_control().release_capacity(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// Takes as much as the peer's windows and the send buffer have room for.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sender = &mut self.get_mut().sender;
        let wanted: usize = bufs.iter().map(|buf| buf.len()).sum();
        // Not more at once: what is reserved is kept from the other streams.
        let wanted = wanted.min(SEND_BUFFER);
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        sender.reserve_capacity(wanted);
        while sender.capacity() == 0 {
            match ready!(sender.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            }
        }
        let count = sender.capacity().min(wanted);
        let mut data = BytesMut::with_capacity(count);
        for buf in bufs {
            let room = count - data.len();
            data.extend_from_slice(buf.get(..room).unwrap_or(buf));
        }
        sender.send_data(data.freeze(), false).map_err(io_error)?;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The connection writes out what its streams have.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends END_STREAM, which stands for TCP's FIN (RFC 8441 §5).
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.get_mut().sender.send_data(Bytes::new(), true);
        Poll::Ready(sent.map_err(io_error))
    }
}

/// RST_STREAM stands for TCP's RST (RFC 8441 §5).
fn io_error(error: h2::Error) -> io::Error {
    if error.is_reset() {
        io::Error::new(ErrorKind::ConnectionReset, error)
    } else if error.is_io() {
        error.into_io().unwrap_or(ErrorKind::BrokenPipe.into())
    } else {
        io::Error::new(ErrorKind::ConnectionAborted, error)
    }
}
