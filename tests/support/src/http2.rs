//! A client of HTTP/2 on the crate `h2`, whose streams carry bytes.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::thread;

use bytes::{Buf, Bytes, BytesMut};
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::PATIENCE;

/// Runs a test with a time limit.
pub fn run(test: impl Future<Output = ()>) {
    let whole = runtime().block_on(async { timeout(PATIENCE * 3, test).await });
    whole.expect("it ends in time");
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// A connection, whose connection window is as large as a browser's, and whose stream windows have
/// the default size. Dropping it disconnects.
pub struct Peer {
    requests: SendRequest<Bytes>,
    /// The result of the connection when it has ended.
    pub ended: oneshot::Receiver<Result<(), h2::Error>>,
    _cut: oneshot::Sender<()>,
}

impl Peer {
    /// Connects. The connection has its own thread, so that a test may block.
    pub async fn connect(address: SocketAddr) -> Self {
        let (sender, requests) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let (cut, is_cut) = oneshot::channel();
        thread::spawn(move || {
            runtime().block_on(async {
                let stream = TcpStream::connect(address).await.expect("it listens");
                stream.set_nodelay(true).expect("no delay");
                let (requests, connection) = exchange_prefaces(stream).await;
                let _ = sender.send(requests);
                tokio::select! {
                    result = connection => drop(end.send(result)),
                    _ = is_cut => {}
                }
            });
        });
        Self {
            requests: requests.await.expect("prefaces and SETTINGS"),
            ended,
            _cut: cut,
        }
    }

    /// The same over memory, in the caller's runtime, for tests with their own clock.
    pub async fn over(stream: DuplexStream) -> Self {
        let (end, ended) = oneshot::channel();
        let (cut, is_cut) = oneshot::channel();
        let (requests, connection) = exchange_prefaces(stream).await;
        tokio::spawn(async {
            tokio::select! {
                result = connection => drop(end.send(result)),
                _ = is_cut => {}
            }
        });
        Self {
            requests,
            ended,
            _cut: cut,
        }
    }

    /// Sends an ordinary request. Returns the whole answer.
    pub async fn ask(&mut self, method: &str, target: &str) -> (Response<()>, Vec<u8>) {
        whole(self.asked(method, target).await).await
    }

    /// Sends an ordinary request. Returns the answer, whose body is not read.
    pub async fn asked(&mut self, method: &str, target: &str) -> Response<RecvStream> {
        self.asks(method, target).await.await.expect("an answer")
    }

    /// Sends an ordinary request. Returns its future answer.
    pub async fn asks(&mut self, method: &str, target: &str) -> ResponseFuture {
        let uri = match method {
            "CONNECT" => target.to_owned(),
            _ => format!("http://localhost{target}"),
        };
        let request = Request::builder().method(method).uri(uri);
        let request = request.body(()).expect("a request");
        self.ready().await;
        let sent = self.requests.send_request(request, method != "CONNECT");
        let (response, _sender) = sent.expect("a stream");
        response
    }

    /// Sends an extended CONNECT. Returns the answer and the stream.
    pub async fn open(
        &mut self,
        protocol: &'static str,
        fields: &[(&'static str, &str)],
    ) -> (Response<RecvStream>, SendStream<Bytes>) {
        let (response, sender) = self.begin(protocol, "/chat?x=y", fields).await;
        (response.await.expect("an answer"), sender)
    }

    /// Sends an extended CONNECT. Returns its future answer and the stream.
    pub async fn begin(
        &mut self,
        protocol: &'static str,
        target: &str,
        fields: &[(&'static str, &str)],
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut request = Request::builder()
            .method("CONNECT")
            .uri(format!("http://localhost{target}"))
            .extension(Protocol::from_static(protocol));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.ready().await;
        let request = request.body(()).expect("a request");
        let sent = self.requests.send_request(request, false);
        sent.expect("a stream")
    }

    /// Sends an opening handshake that is refused. Returns the status, the fields and the text.
    pub async fn refused(
        &mut self,
        protocol: &'static str,
        fields: &[(&'static str, &str)],
    ) -> (u16, HeaderMap, String) {
        self.refused_at(protocol, "/chat?x=y", fields).await
    }

    /// The same for this target.
    pub async fn refused_at(
        &mut self,
        protocol: &'static str,
        target: &str,
        fields: &[(&'static str, &str)],
    ) -> (u16, HeaderMap, String) {
        let (response, _sender) = self.begin(protocol, target, fields).await;
        let response = response.await.expect("an answer");
        let (response, body) = whole(response).await;
        let text = String::from_utf8(body).expect("text");
        (response.status().as_u16(), response.headers().clone(), text)
    }

    /// Opens a WebSocket.
    pub async fn websocket(&mut self) -> Socket {
        self.websocket_with(&[]).await.0
    }

    /// Opens a WebSocket with these fields. Returns the fields of the answer as well.
    pub async fn websocket_with(&mut self, fields: &[(&'static str, &str)]) -> (Socket, HeaderMap) {
        let version = ("sec-websocket-version", "13");
        let fields = [&[version], fields].concat();
        let (response, sender) = self.open("websocket", &fields).await;
        let fields = response.headers().clone();
        (Socket::of(response, sender), fields)
    }

    async fn ready(&mut self) {
        let ready = self.requests.clone().ready().await;
        self.requests = ready.expect("an open connection");
    }
}

async fn exchange_prefaces<T: AsyncRead + AsyncWrite + Unpin>(
    stream: T,
) -> (SendRequest<Bytes>, Connection<T, Bytes>) {
    let builder = Builder::new()
        .initial_connection_window_size(64 << 20)
        .max_concurrent_reset_streams(1000)
        .handshake(stream);
    let (requests, mut connection) = builder.await.expect("a preface");
    // Extended CONNECT is not allowed before the server's SETTINGS have arrived.
    poll_fn(|cx| {
        let end = Pin::new(&mut connection).poll(cx);
        assert!(end.is_pending(), "{end:?}");
        if requests.is_extended_connect_protocol_enabled() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    (requests, connection)
}

/// Reads the whole body of an answer.
pub async fn whole(response: Response<RecvStream>) -> (Response<()>, Vec<u8>) {
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("the whole answer");
        body.flow_control().release_capacity(data.len()).expect("");
        bytes.extend(data);
    }
    (Response::from_parts(head, ()), bytes)
}

/// The bytes of a WebSocket on a stream.
pub struct Socket {
    sender: SendStream<Bytes>,
    body: RecvStream,
    incoming: BytesMut,
}

impl Socket {
    /// Creates the socket from an extended CONNECT and its answer.
    pub fn of(response: Response<RecvStream>, sender: SendStream<Bytes>) -> Self {
        assert_eq!(response.status(), 200, "{response:?}");
        Self {
            sender,
            body: response.into_body(),
            incoming: BytesMut::new(),
        }
    }

    /// Sends all bytes, as fast as the server opens its window.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let mut bytes = Bytes::copy_from_slice(bytes.as_ref());
        while bytes.has_remaining() {
            let count = self.room(bytes.len()).await.expect("an open stream");
            let data = bytes.split_to(count);
            self.sender.send_data(data, false).expect("an open stream");
        }
    }

    /// Sends the bytes repeatedly until the server's window has been closed for a second. Returns
    /// the number of bytes sent.
    pub async fn send_until_stuck(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        loop {
            let rest = &bytes[sent % bytes.len()..];
            let second = std::time::Duration::from_secs(1);
            let Ok(room) = timeout(second, self.room(rest.len())).await else {
                return sent;
            };
            let count = room.expect("an open stream");
            let data = Bytes::copy_from_slice(&rest[..count]);
            self.sender.send_data(data, false).expect("an open stream");
            sent += count;
        }
    }

    async fn room(&mut self, wanted: usize) -> Option<usize> {
        self.sender.reserve_capacity(wanted);
        while self.sender.capacity() == 0 {
            let capacity = poll_fn(|cx| self.sender.poll_capacity(cx)).await?;
            capacity.ok()?;
        }
        Some(self.sender.capacity().min(wanted))
    }

    /// Expects these bytes next.
    pub async fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let bytes = self.take(expected.len()).await;
        assert!(
            bytes == expected,
            "expected {expected:02x?}, got {bytes:02x?}"
        );
    }

    /// Reads this many bytes, and opens the window by as many.
    pub async fn take(&mut self, len: usize) -> BytesMut {
        while self.incoming.len() < len {
            let data = timeout(PATIENCE, self.body.data()).await;
            let data = data.unwrap_or_else(|_| panic!("only {:02x?}", self.incoming));
            let data = data.unwrap_or_else(|| panic!("the end after {:02x?}", self.incoming));
            let data = data.expect("an open stream");
            let released = self.body.flow_control().release_capacity(data.len());
            released.expect("what was received");
            self.incoming.extend_from_slice(&data);
        }
        self.incoming.split_to(len)
    }

    /// Expects END_STREAM after the bytes that were read.
    pub async fn ended(&mut self) {
        loop {
            let data = timeout(PATIENCE, self.body.data()).await;
            match data.expect("the end comes") {
                // END_STREAM on a frame of its own.
                Some(Ok(data)) if data.is_empty() => {}
                end => return assert!(end.is_none() && self.incoming.is_empty(), "{end:?}"),
            }
        }
    }

    /// Sends END_STREAM.
    pub fn finish(&mut self) {
        let sent = self.sender.send_data(Bytes::new(), true);
        sent.expect("an open stream");
    }

    /// Sends RST_STREAM.
    pub fn reset(&mut self) {
        self.sender.send_reset(Reason::CANCEL);
    }

    /// Waits for the server's RST_STREAM.
    pub async fn was_reset(&mut self) -> Reason {
        let reason = timeout(PATIENCE, poll_fn(|cx| self.sender.poll_reset(cx))).await;
        reason.expect("a reset").expect("an open connection")
    }
}

/// Builds a frame of HTTP/2 (RFC 9113 §4.1).
pub fn http2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a short frame");
    let mut frame = len.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Builds the client's preface (RFC 9113 §3.4) with empty SETTINGS.
pub fn preface() -> Vec<u8> {
    let settings = http2_frame(4, 0, 0, &[]);
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()
}

/// `GET / HTTP/2` in HPACK: three fields of the static table, and the authority.
pub const GET: &[u8] = b"\x82\x86\x84\x41\x09localhost";

/// Encodes an extended CONNECT in HPACK, with literal fields.
pub fn connect() -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "localhost"),
        ("sec-websocket-version", "13"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("short"));
            block.extend(text.as_bytes());
        }
    }
    block
}
