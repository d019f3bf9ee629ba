//! Ordinary HTTP/1 on one connection.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use polysock_protocols::http::Head;
use tracing::debug;

use super::gate::{Gate, Look};
use super::{Body, Service};
use crate::connection::ShutdownSignal;
use crate::transport::{Io, Peer};

/// How long a connection is kept open between requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A connection of HTTP/1 whose requests are ordinary, as far as they have come.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) transport: Io,
    /// What has been read: the first request begins with it, and this is its head.
    pub(crate) incoming: BytesMut,
    pub(crate) first: Head,
    pub(crate) peer: Arc<Peer>,
}

impl Requests {
    /// Has a service answer them, until the connection ends, is asked to close, or has a request
    /// that is not ordinary: `look` is asked about each behind the first, with all that has come of
    /// it, and hyper reads no byte of one that is not. Then what `look` has found is returned, with
    /// the transport and what is left in the buffer; the answers to the requests before it are out.
    pub(crate) async fn serve<T>(
        self,
        service: Arc<dyn Service>,
        shutdown: &ShutdownSignal,
        look: impl FnMut(&mut BytesMut) -> Option<Look<T>> + Unpin,
    ) -> Option<(T, Io, BytesMut)>
    where
        T: Unpin,
    {
        let peer = self.peer;
        let answer = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Arc::clone(&peer));
            let answer = service.call(request);
            // Boxed already, and so at home in a connection that is moved.
            answer.map(Ok::<_, Infallible>)
        });
        let gate = Gate::new(self.transport, self.incoming, &self.first, look);
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(KEEP_ALIVE)
            // The gate says that nothing comes any more, where something else does.
            .half_close(true)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(gate), answer);
        let (mut stopping, mut stopped) = (pin!(shutdown.requested_of_owner()), false);
        let ended = poll_fn(|cx| {
            if !stopped && stopping.as_mut().poll(cx).is_ready() {
                stopped = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            connection.poll_without_shutdown(cx)
        });
        if let Err(error) = ended.await {
            debug!(%error, "HTTP connection failed");
            return None;
        }
        connection.into_parts().io.into_inner().into_found()
    }
}
