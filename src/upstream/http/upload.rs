//! The body of a request to a web server.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::{Request, StatusCode};
use tokio::time::{Instant, Sleep, sleep};

use super::super::UpstreamError;
use crate::error::BoxError;
use crate::http::{Alarm, Body};

/// The time that a server may take to send `100 Continue`. After that it gets the body all the
/// same, as a server that does not know the mechanism sends nothing (RFC 9110 §10.1.1).
const CONTINUE: Duration = Duration::from_secs(1);

/// The body of a request. A body that waits for `100 Continue` is not read from the client before.
#[derive(Debug)]
pub(super) struct Upload {
    body: Option<Body>,
    state: Option<Arc<State>>,
    /// Expires when the wait for `100 Continue` is over; `None` if nothing is awaited.
    waiting: Option<Pin<Box<Sleep>>>,
}

/// The progress of the body of a request.
#[derive(Clone, Debug)]
pub(super) struct Progress(Option<Arc<State>>);

#[derive(Debug, Default)]
struct State {
    /// The number of pieces that were passed on.
    pieces: AtomicU32,
    /// Whether the whole body was passed on.
    is_over: AtomicBool,
    /// Whether the server has sent `100 Continue`.
    is_wanted: AtomicBool,
    /// Whether the answer has ended, so that the rest of the body is not needed.
    is_abandoned: AtomicBool,
    /// Wakes the task that reads the body.
    waker: AtomicWaker,
}

impl Upload {
    /// Wraps a body, which may have to wait for `100 Continue`. Returns the progress as well.
    pub(super) fn new(body: Body, waits: bool) -> (Self, Progress) {
        let state = (!body.is_end_stream()).then(Arc::<State>::default);
        let upload = Self {
            body: Some(body),
            state: state.clone(),
            waiting: waits.then(|| Box::pin(sleep(CONTINUE))),
        };
        (upload, Progress(state))
    }

    /// Returns an empty body.
    pub(super) fn empty() -> Self {
        Self {
            body: None,
            state: None,
            waiting: None,
        }
    }
}

impl State {
    fn poll_wanted(
        &self,
        waiting: &mut Option<Pin<Box<Sleep>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>> {
        self.waker.register(cx.waker());
        if self.is_abandoned.load(Ordering::Acquire) {
            return Poll::Ready(Err(
                "the upstream answered before the end of the body".into()
            ));
        }
        if let Some(timer) = waiting {
            if !self.is_wanted.load(Ordering::Acquire) {
                ready!(timer.as_mut().poll(cx));
            }
            *waiting = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self {
            body,
            state,
            waiting,
        } = self.get_mut();
        let Some(body) = body else {
            return Poll::Ready(None);
        };
        if let Some(state) = state
            && let Err(abandoned) = ready!(state.poll_wanted(waiting, cx))
        {
            return Poll::Ready(Some(Err(abandoned)));
        }
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if let Some(state) = state {
            state.pieces.fetch_add(1, Ordering::Relaxed);
            let is_over = frame.is_none() || body.is_end_stream();
            state.is_over.fetch_or(is_over, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body
            .as_ref()
            .is_none_or(hyper::body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Progress {
    /// Passes on the body as soon as the server sends `100 Continue`.
    pub(super) fn watch(&self, request: &mut Request<Upload>) {
        let Some(state) = self.0.clone() else { return };
        hyper::ext::on_informational(request, move |answer| {
            if answer.status() == StatusCode::CONTINUE {
                state.is_wanted.store(true, Ordering::Release);
                state.waker.wake();
            }
        });
    }

    /// Ends the request after the answer: the rest of the body is not sent. Returns true if the
    /// whole body was passed on before.
    pub(super) fn end(&self) -> bool {
        let Some(state) = &self.0 else { return true };
        let is_over = state.is_over.load(Ordering::Relaxed);
        if !is_over {
            state.is_abandoned.store(true, Ordering::Release);
            state.waker.wake();
        }
        is_over
    }

    /// Waits for the head of the answer, at most for `limit` after the last piece of the request.
    ///
    /// # Errors
    ///
    /// The head takes longer.
    pub(super) async fn answered<T>(
        &self,
        mut answer: Pin<&mut impl Future<Output = T>>,
        limit: Duration,
        alarm: &mut Alarm,
    ) -> Result<T, UpstreamError> {
        let (mut since, mut pieces) = (None, 0);
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            loop {
                let waiting = *since.get_or_insert_with(Instant::now);
                ready!(alarm.poll(waiting, limit, cx));
                let gone = self.pieces();
                if gone == pieces {
                    return Poll::Ready(Err(UpstreamError::Timeout));
                }
                (since, pieces) = (None, gone);
            }
        })
        .await
    }

    fn pieces(&self) -> u32 {
        let state = self.0.as_ref();
        state.map_or(0, |state| state.pieces.load(Ordering::Relaxed))
    }
}
