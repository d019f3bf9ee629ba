//! Ordinary requests over one HTTP/1 connection.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use polysock_protocols::http::Head;
use tracing::debug;

use super::gate::{Gate, RequestKind};
use super::shared_gate::SharedGate;
use super::{Body, Service};
use crate::connection::ShutdownSignal;
use crate::transport::{Io, Peer};

/// The number of requests that a connection may have, as in nginx. The last answer has
/// `Connection: close`.
const MAX_REQUESTS: u32 = 1000;

/// An HTTP/1 connection whose first request is ordinary.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) transport: Io,
    /// The bytes already read, which begin with the first request. Its head is `first`.
    pub(crate) incoming: BytesMut,
    pub(crate) first: Head,
    pub(crate) peer: Arc<Peer>,
}

/// The handling of the requests after the first.
#[derive(Debug)]
pub(crate) struct LaterRequests<F, T> {
    /// Decides about a request from the bytes received so far; `None` if it needs more.
    pub(crate) classify: F,
    /// The time that a head may take from its first byte.
    pub(crate) head_timeout: Duration,
    /// The result for a request whose head takes longer.
    pub(crate) late: T,
}

impl Requests {
    /// Passes the requests to a service until the connection ends, is asked to close, or receives a
    /// request that is not ordinary. `classify` decides about each request after the first from the
    /// bytes received so far; hyper reads no byte of a request that is not ordinary. Returns the
    /// result of `classify` for that request, the transport and the rest of the buffer, after the
    /// earlier answers have been sent; `None` if the connection has ended.
    ///
    /// A client that stops reading its answer, or stops sending a request that has begun, is
    /// disconnected.
    pub(crate) async fn serve<T>(
        self,
        service: Arc<dyn Service>,
        shutdown: &ShutdownSignal,
        behind: LaterRequests<impl FnMut(&mut BytesMut) -> Option<RequestKind<T>> + Unpin, T>,
    ) -> Option<(T, Io, BytesMut)>
    where
        T: Unpin,
    {
        let peer = self.peer;
        let left = Cell::new(MAX_REQUESTS);
        let told = shutdown.clone();
        let answer = service_fn(move |request: hyper::Request<Incoming>| {
            left.set(left.get().saturating_sub(1));
            let is_last = left.get() == 0;
            let mut request = request.map(Body::incoming);
            request.extensions_mut().insert(Arc::clone(&peer));
            request.extensions_mut().insert(told.clone());
            let answer = service.call(request);
            // `poll_without_shutdown` requires a future that is `Unpin`; this one is already boxed.
            let shutdown = told.clone();
            answer.map(move |mut answer| {
                // An answer that waits for the shutdown is ready before hyper learns of the
                // shutdown.
                if is_last || shutdown.close_requested().is_some() {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(answer)
            })
        });
        let LaterRequests {
            classify,
            head_timeout,
            late,
        } = behind;
        let gate = Gate::new(
            (self.transport, self.incoming),
            &self.first,
            classify,
            (head_timeout, late),
            shutdown.clone(),
        );
        let gate = SharedGate::new(gate);
        let mut connection = http1::Builder::new()
            // The gate applies the timeout for heads.
            .header_read_timeout(None)
            // The gate reports the end of the stream when a request is not ordinary; the earlier
            // answers must still be sent.
            .half_close(true)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(gate.clone()), answer);
        let (mut stopping, mut stopped) = (pin!(shutdown.requested_of_owner()), false);
        let ended = poll_fn(|cx| {
            gate.lock().watch();
            let mut polled = connection.poll_without_shutdown(cx);
            // Not earlier: hyper closes a connection from which it has read nothing, and the first
            // head is already buffered.
            if polled.is_pending() && !stopped && stopping.as_mut().poll(cx).is_ready() {
                stopped = true;
                Pin::new(&mut connection).graceful_shutdown();
                polled = connection.poll_without_shutdown(cx);
            }
            match polled {
                Poll::Pending => gate.lock().poll_disconnected(cx).map(|()| None),
                ended @ Poll::Ready(_) => ended.map(Some),
            }
        });
        match ended.await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                debug!(%error, "HTTP connection failed");
                return None;
            }
            None => {
                debug!("the client disconnected before the answer");
                return None;
            }
        }
        drop(connection);
        gate.into_inner()?.into_found()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use bytes::Bytes;
    use futures_core::future::BoxFuture;
    use hyper::{Request, Response};
    use polysock_protocols::http::HeadLimits;
    use polysock_protocols::{DEFAULT_PROTOCOLS, Negotiated, Negotiation};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

    /// A service that answers everything with a page of 2,000 bytes.
    struct Page;

    impl Service for Page {
        fn call(&self, _: Request<Body>) -> BoxFuture<'static, Response<Body>> {
            let page = Bytes::from_static(&[b'x'; 2000]);
            Box::pin(ready(Response::new(Body::from(page))))
        }
    }

    /// The result of `classify`, and the time since the first request was received.
    type Served = JoinHandle<(Option<&'static str>, Duration)>;

    /// Returns a client whose first request has been received. `room` is the number of bytes of
    /// output that the transport buffers.
    fn client(room: usize, shutdown: &ShutdownSignal) -> (DuplexStream, Served) {
        let (client, server) = duplex(room);
        let classify = |incoming: &mut BytesMut| {
            let mut negotiation = Negotiation::new(DEFAULT_PROTOCOLS, HeadLimits::default());
            Some(match negotiation.advance(incoming) {
                Ok(None) => return None,
                Ok(Some(Negotiated::Http(head))) => RequestKind::Ordinary(head),
                _ => RequestKind::Other("other"),
            })
        };
        let requests = Requests {
            transport: Io::new(server),
            incoming: GET.into(),
            first: Head::parse(GET.as_bytes(), GET.len(), &HeadLimits::default()).unwrap(),
            peer: Arc::default(),
        };
        let behind = LaterRequests {
            classify,
            head_timeout: HEAD_TIMEOUT,
            late: "late",
        };
        let shutdown = shutdown.clone();
        let served = tokio::spawn(async move {
            let began = Instant::now();
            let found = requests.serve(Arc::new(Page), &shutdown, behind).await;
            (found.map(|(found, ..)| found), began.elapsed())
        });
        (client, served)
    }

    /// Returns the result of `classify` and the seconds for which the client was served.
    async fn end(served: Served) -> (Option<&'static str>, u64) {
        let served = timeout(Duration::from_secs(3600), served).await;
        let (found, time) = served.expect("it is held for ever").unwrap();
        (found, time.as_secs())
    }

    /// Reads a complete answer and returns its head.
    async fn answer(client: &mut DuplexStream) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(client.read_u8().await.unwrap());
        }
        client.read_exact(&mut [0; 2000]).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answer_is_closed() {
        let (_client, served) = client(64, &ShutdownSignal::default());
        assert_eq!(end(served).await, (None, 30));
        // The same holds for a client that reads a byte now and then.
        let (mut client, served) = client(64, &ShutdownSignal::default());
        let taking = tokio::spawn(async move {
            while client.read_u8().await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let (found, time) = end(served).await;
        assert!(found.is_none() && time < 120, "{found:?} after {time} s");
        taking.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_answers_slowly_gets_them() {
        let (mut client, served) = client(64, &ShutdownSignal::default());
        let mut taken = Vec::new();
        while taken.len() < 2000 {
            client.read_buf(&mut taken).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        drop(client);
        assert_eq!(end(served).await.0, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answer_is_closed_soon_after_a_shutdown() {
        let shutdown = crate::connection::Shutdown::default();
        let (_client, served) = client(64, &shutdown.register());
        sleep(Duration::from_secs(5)).await;
        shutdown.trigger(polysock_protocols::CloseCode::GOING_AWAY);
        assert_eq!(end(served).await, (None, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_request_is_answered_although_a_shutdown_is_under_way() {
        let shutdown = crate::connection::Shutdown::default();
        shutdown.trigger(polysock_protocols::CloseCode::GOING_AWAY);
        let (mut client, served) = client(4096, &shutdown.register());
        answer(&mut client).await;
        assert_eq!(end(served).await, (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_of_a_later_head_begins_with_its_first_byte() {
        let (mut client, served) = client(4096, &ShutdownSignal::default());
        answer(&mut client).await;
        sleep(Duration::from_secs(70)).await;
        client.write_all(GET.as_bytes()).await.unwrap();
        answer(&mut client).await;
        sleep(Duration::from_secs(70)).await;
        for byte in GET.as_bytes() {
            if client.write_u8(*byte).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(end(served).await, (Some("late"), 150));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_between_requests_is_kept_for_some_time() {
        let (mut client, served) = client(4096, &ShutdownSignal::default());
        answer(&mut client).await;
        assert_eq!(end(served).await, (None, 75));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_permitted_request_of_a_connection_is_answered_with_close() {
        let (mut client, served) = client(4096, &ShutdownSignal::default());
        for number in 1..=MAX_REQUESTS {
            let head = answer(&mut client).await.to_ascii_lowercase();
            let is_last = head.contains("\r\nconnection: close\r\n");
            assert_eq!(is_last, number == MAX_REQUESTS, "{number}: {head}");
            client.write_all(GET.as_bytes()).await.unwrap();
        }
        assert_eq!(end(served).await.0, None);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
}
