//! Ordinary HTTP/1 on one connection.

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

use super::gate::{Gate, Look};
use super::shared_gate::SharedGate;
use super::{Body, Service};
use crate::connection::ShutdownSignal;
use crate::transport::{Io, Peer};

/// How many requests a connection may have, as nginx has it: the last is answered with
/// `Connection: close`.
const MAX_REQUESTS: u32 = 1000;

/// A connection of HTTP/1 whose requests are ordinary, as far as they have come.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) transport: Io,
    /// What has been read: the first request begins with it, and this is its head.
    pub(crate) incoming: BytesMut,
    pub(crate) first: Head,
    pub(crate) peer: Arc<Peer>,
}

/// What becomes of the requests behind the first.
#[derive(Debug)]
pub(crate) struct Between<F, T> {
    /// Looks at what has come of one.
    pub(crate) look: F,
    /// How long the head of one may take from its first byte on.
    pub(crate) head_timeout: Duration,
    /// What one is that takes longer.
    pub(crate) late: T,
}

impl Requests {
    /// Has a service answer them, until the connection ends, is asked to close, or has a request
    /// that is not ordinary: `look` is asked about each behind the first, with all that has come of
    /// it, and hyper reads no byte of one that is not. Then what `look` has found is returned, with
    /// the transport and what is left in the buffer; the answers to the requests before it are out.
    ///
    /// A client that takes nothing of its answers, or sends nothing of a request that has begun, is
    /// not waited for.
    pub(crate) async fn serve<T>(
        self,
        service: Arc<dyn Service>,
        shutdown: &ShutdownSignal,
        behind: Between<impl FnMut(&mut BytesMut) -> Option<Look<T>> + Unpin, T>,
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
            // Boxed already, and so at home in a connection that is moved.
            let shutdown = told.clone();
            answer.map(move |mut answer| {
                // hyper would only know of it behind an answer that waited for this.
                if is_last || shutdown.close_requested().is_some() {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(answer)
            })
        });
        let Between {
            look,
            head_timeout,
            late,
        } = behind;
        let gate = Gate::new(
            (self.transport, self.incoming),
            &self.first,
            look,
            (head_timeout, late),
            shutdown.clone(),
        );
        let gate = SharedGate::new(gate);
        let mut connection = http1::Builder::new()
            // The gate waits for heads.
            .header_read_timeout(None)
            // The gate says that nothing comes any more, where something else does.
            .half_close(true)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(gate.clone()), answer);
        let (mut stopping, mut stopped) = (pin!(shutdown.requested_of_owner()), false);
        let ended = poll_fn(|cx| {
            gate.lock().watch();
            let mut polled = connection.poll_without_shutdown(cx);
            // Only now: hyper closes a connection that it has read nothing of, and the first head is there.
            if polled.is_pending() && !stopped && stopping.as_mut().poll(cx).is_ready() {
                stopped = true;
                Pin::new(&mut connection).graceful_shutdown();
                polled = connection.poll_without_shutdown(cx);
            }
            match polled {
                Poll::Pending => gate.lock().poll_gone(cx).map(|()| None),
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
                debug!("gone before its answer");
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

    /// Answers everything with a page of 2,000 bytes.
    struct Page;

    impl Service for Page {
        fn call(&self, _: Request<Body>) -> BoxFuture<'static, Response<Body>> {
            let page = Bytes::from_static(&[b'x'; 2000]);
            Box::pin(ready(Response::new(Body::from(page))))
        }
    }

    /// What has been found, which is told from the time the first request is there.
    type Served = JoinHandle<(Option<&'static str>, Duration)>;

    /// A client whose first request is there; so much of what is said to it fits on the way.
    fn client(room: usize, shutdown: &ShutdownSignal) -> (DuplexStream, Served) {
        let (client, server) = duplex(room);
        let look = |incoming: &mut BytesMut| {
            let mut negotiation = Negotiation::new(DEFAULT_PROTOCOLS, HeadLimits::default());
            Some(match negotiation.advance(incoming) {
                Ok(None) => return None,
                Ok(Some(Negotiated::Http(head))) => Look::Ordinary(head),
                _ => Look::Other("other"),
            })
        };
        let requests = Requests {
            transport: Io::new(server),
            incoming: GET.into(),
            first: Head::parse(GET.as_bytes(), GET.len(), &HeadLimits::default()).unwrap(),
            peer: Arc::default(),
        };
        let behind = Between {
            look,
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

    /// How long it was served, and what was found.
    async fn end(served: Served) -> (Option<&'static str>, u64) {
        let served = timeout(Duration::from_secs(3600), served).await;
        let (found, time) = served.expect("it is held for ever").unwrap();
        (found, time.as_secs())
    }

    /// Reads a whole answer.
    async fn answer(client: &mut DuplexStream) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(client.read_u8().await.unwrap());
        }
        client.read_exact(&mut [0; 2000]).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_answer_is_not_waited_for() {
        let (_client, served) = client(64, &ShutdownSignal::default());
        assert_eq!(end(served).await, (None, 30));
        // Nor one that takes a byte now and then.
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
    async fn a_client_that_takes_no_answer_is_gone_soon_after_a_shutdown() {
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
    async fn a_later_head_has_the_time_of_the_first_from_its_first_byte_on() {
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
    async fn a_connection_has_so_many_requests_and_is_told_of_the_last() {
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
