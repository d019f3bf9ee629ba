//! An HTTP/2 connection (RFC 9113), with bounds on the resources that its peer may use.
//!
//! The crate `h2` does the framing; other modules answer the streams. Each stream has its own
//! window, which opens as the stream is read. The window of the connection is the sum of the
//! windows of its streams, so that an unread stream does not block others.

mod exchange;
mod frames;
mod refusal;
mod stream;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::Reason;
use h2::server::{self, Builder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::PollSemaphore;
use tracing::debug;

pub(crate) use self::exchange::{Exchange, StreamReply};
use self::frames::{Counted, Flood};
pub(crate) use self::refusal::refusal;

use crate::transport::Rewind;
use crate::transport::{Io, LINGER};

/// The number of streams that may be open. RFC 9113 §6.5.2 recommends no less than 100.
const STREAMS: u32 = 128;

/// The number of received bytes of a stream that may be unread: as many as may be unsent.
const WINDOW: u32 = 64 * 1024;

/// The number of bytes of a stream that may wait for the socket.
const SEND_BUFFER: usize = 64 * 1024;

/// The largest frame that is accepted: the smallest limit that RFC 9113 §4.2 allows.
const MAX_FRAME: u32 = 16 * 1024;

/// The budget for the overhead of small DATA frames that are unread, in bytes. `h2` counts 256
/// bytes less the payload for each frame. A window of messages of 100 bytes costs 100 KiB: the
/// budget is enough for all the streams.
const SMALL_FRAMES: usize = 16 * 1024 * 1024;

/// The number of streams that the peer may reset before they are accepted (CVE-2023-44487, rapid
/// reset), and the number reset because of the peer's errors (RUSTSEC-2024-0003), before the
/// connection is closed.
const RESET_BY_PEER: usize = 20;
const RESET_FOR_MISTAKES: usize = 1024;

/// The number of streams reset by us that are remembered, and for how long: frames for them may
/// still arrive.
const REMEMBERED: usize = 20;
const MEMORY: Duration = Duration::from_secs(1);

/// The least time for which a connection without streams is kept, and the interval of the check.
const IDLE: Duration = Duration::from_secs(75);

/// A connection whose prefaces have been exchanged.
#[derive(Debug)]
pub(crate) struct Connection {
    connection: server::Connection<Counted, Bytes>,
    /// True once the connection must end because the peer floods.
    flood: Flood,
    /// A permit for each stream in use here, even if the peer has ended it. A peer that resets its
    /// streams as fast as it opens them does not get more of them served.
    permits: PollSemaphore,
    /// The permit of the next stream; `None` until one is free.
    permit: Option<OwnedSemaphorePermit>,
    /// Fires when the connection is to be checked for use.
    timer: Pin<Box<Sleep>>,
    /// Whether the connection has been in use since the timer last fired.
    was_used: bool,
    /// Whether the connection has ended because of idle frames.
    has_flooded: bool,
}

impl Connection {
    /// Exchanges prefaces (RFC 9113 §3.4). `incoming` has already been read from the transport. The
    /// first request must arrive by the deadline, and no head may be longer than `max_head`.
    ///
    /// # Errors
    ///
    /// The peer does not speak HTTP/2, or has disconnected.
    pub(crate) async fn open(
        incoming: BytesMut,
        transport: Io,
        max_head: usize,
        has_websockets: bool,
        deadline: Instant,
    ) -> Result<Self, h2::Error> {
        let mut builder = Builder::new();
        builder
            .max_concurrent_streams(STREAMS)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(STREAMS * WINDOW)
            .max_frame_size(MAX_FRAME)
            .max_send_buffer_size(SEND_BUFFER)
            .data_frame_budget(SMALL_FRAMES)
            // This bounds CONTINUATION frames as well (RUSTSEC-2024-0332).
            .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESET_BY_PEER)
            .max_local_error_reset_streams(Some(RESET_FOR_MISTAKES))
            .max_concurrent_reset_streams(REMEMBERED)
            .reset_stream_duration(MEMORY);
        if has_websockets {
            builder.enable_connect_protocol();
        }
        let transport = Counted::new(Rewind::new(incoming.freeze(), transport));
        Ok(Self {
            flood: transport.flood(),
            connection: builder.handshake(transport).await?,
            permits: PollSemaphore::new(Arc::new(Semaphore::new(STREAMS as usize))),
            permit: None,
            timer: Box::pin(sleep_until(deadline)),
            was_used: false,
            has_flooded: false,
        })
    }

    /// Returns the next request, or `None` if the connection must end. No stream makes progress
    /// while this is not polled.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Exchange> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// True if the peer was sent ENHANCE_YOUR_CALM (RFC 9113 §10.5).
    pub(crate) fn has_flooded(&self) -> bool {
        self.has_flooded
    }

    /// Ends the connection once its streams have ended (RFC 9113 §6.8). New streams are refused.
    pub(crate) async fn end(self) {
        let Self {
            mut connection,
            permits,
            permit,
            ..
        } = self;
        connection.graceful_shutdown();
        let streams = permits.clone_inner();
        drop((permits, permit));
        let mut closing = Box::pin(async move {
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_reset(Reason::REFUSED_STREAM);
            }
        });
        tokio::select! {
            () = &mut closing => {}
            // All streams have ended; only the peer's close is still awaited.
            _ = streams.acquire_many(STREAMS) => {
                tokio::spawn(timeout(LINGER, closing));
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Exchange>> {
        if self.permit.is_none()
            && let Poll::Ready(permit) = self.permits.poll_acquire(cx)
        {
            self.permit = permit;
        }
        let accepted = if self.permit.is_some() {
            self.connection.poll_accept(cx)
        } else {
            let closed = self.connection.poll_closed(cx);
            closed.map(|end| end.err().map(Err))
        };
        match accepted {
            Poll::Ready(Some(Ok((request, respond)))) => {
                self.was_used = true;
                let permit = self.permit.take();
                return Poll::Ready(Some(Exchange::new(request, respond, permit)));
            }
            Poll::Ready(end) => {
                if let Some(Err(error)) = end {
                    debug!(%error, "HTTP/2 connection failed");
                    let is_ours = error.is_library();
                    self.has_flooded = is_ours && error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
                }
                return Poll::Ready(None);
            }
            Poll::Pending if self.flood.is_seen() => {
                self.has_flooded = true;
                self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let is_used = self.is_used();
            if !std::mem::replace(&mut self.was_used, is_used) && !is_used {
                debug!("idle HTTP/2 connection");
                return Poll::Ready(None);
            }
            self.timer.as_mut().reset(Instant::now() + IDLE);
        }
        Poll::Pending
    }

    fn is_used(&self) -> bool {
        let free = self.permits.available_permits() + usize::from(self.permit.is_some());
        free < STREAMS as usize
    }
}
