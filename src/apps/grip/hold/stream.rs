//! A request that is held as a stream: the response of its web app, followed by publications.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::stream::unfold;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use rand::Rng;
use tokio::time::{Instant, Sleep, sleep};

use super::fields::{Instruct, Mode};
use super::inbox::{Inbox, Payload, Received, Slow};
use super::web_app::{NotFollowed, RequestTarget, WebApp};
use crate::apps::grip::timer::expired;
use crate::connection::ShutdownSignal;
use crate::error::BoxError;
use crate::http::Body;
use crate::upstream::UpstreamError;

/// The number of retries if a next link cannot be loaded.
const RETRIES: u32 = 5;

/// The pause before the first retry. Each further pause is twice as long.
const RETRY: Duration = Duration::from_secs(1);

/// The time over which requests are spread that have all missed the same publication.
const SPREAD: Duration = Duration::from_secs(1);

/// A request that is held as a stream.
pub(super) struct Streaming {
    app: Arc<WebApp>,
    asked: RequestTarget,
    inbox: Inbox,
    instruct: Instruct,
    /// The rest of the web app's response.
    content: Option<Body>,
    /// Whether the web app was not asked again yet.
    is_first: bool,
    /// The delay until the next link is requested; `None` if that is not due.
    due: Option<Duration>,
    /// Expires when the keep-alive is due.
    quiet: Option<Pin<Box<Sleep>>>,
    /// Expires when the next link is to be requested.
    look: Option<Pin<Box<Sleep>>>,
    /// The channels with publications since the `look` timer was set.
    active: Vec<Arc<str>>,
    closing: BoxFuture<'static, ()>,
}

/// An event of the stream.
enum StreamEvent {
    Received(Result<Received, Slow>),
    KeepAlive,
    Look,
    Closing,
}

/// The effect of a publication on the stream.
enum Step {
    Send(Bytes),
    Stay,
    End,
}

impl Streaming {
    /// Starts a stream with the body of a response.
    pub(super) fn new(
        app: Arc<WebApp>,
        asked: RequestTarget,
        (instruct, content): (Instruct, Body),
        inbox: Inbox,
        shutdown: &ShutdownSignal,
    ) -> Self {
        let shutdown = shutdown.clone();
        Self {
            app,
            asked,
            inbox,
            instruct,
            content: Some(content),
            is_first: true,
            due: None,
            quiet: None,
            look: None,
            active: Vec::new(),
            closing: Box::pin(async move {
                shutdown.requested().await;
            }),
        }
    }

    /// Turns the stream into the body of the response. Dropping the body ends the stream.
    pub(super) fn into_body(self) -> Body {
        let pieces = unfold(self, |mut streaming| async move {
            let piece = streaming.next().await?;
            Some((piece.map(Frame::data), streaming))
        });
        Body::new(StreamBody::new(pieces))
    }

    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        loop {
            if let Some(content) = &mut self.content {
                match content.frame().await {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) if !data.is_empty() => return Some(Ok(data)),
                        // Trailers of the web app's response do not belong to this body.
                        Ok(_) | Err(_) => continue,
                    },
                    Some(Err(error)) => return Some(Err(error)),
                    None => {
                        self.content = None;
                        self.settle()?;
                    }
                }
            }
            if let Some(after) = self.due.take() {
                self.go_on(after).await?;
                continue;
            }
            match self.happened().await {
                StreamEvent::Received(Ok(came)) => match self.came(came) {
                    Step::Send(content) => return Some(Ok(content)),
                    Step::Stay => {}
                    Step::End => return None,
                },
                StreamEvent::Received(Err(slow)) => return Some(Err(slow.into())),
                StreamEvent::KeepAlive => {
                    self.listen_for_silence();
                    if let Some(keep_alive) = &self.instruct.keep_alive {
                        return Some(Ok(keep_alive.content.clone()));
                    }
                }
                StreamEvent::Look => {
                    self.look = None;
                    self.due = Some(Duration::ZERO);
                }
                StreamEvent::Closing => return None,
            }
        }
    }

    async fn happened(&mut self) -> StreamEvent {
        tokio::select! {
            biased;
            () = &mut self.closing => StreamEvent::Closing,
            came = self.inbox.next() => StreamEvent::Received(came),
            () = expired(self.quiet.as_mut()) => StreamEvent::KeepAlive,
            () = expired(self.look.as_mut()) => StreamEvent::Look,
        }
    }

    /// Continues after the web app's response was sent; `None` if the stream ends there.
    fn settle(&mut self) -> Option<()> {
        if self.instruct.mode.is_none() {
            self.instruct.next.as_ref()?;
            self.due = Some(Duration::ZERO);
            return Some(());
        }
        let channels = &self.instruct.channels;
        if self.is_first && self.app.last_ids.contradict(channels) {
            self.due = Some(spread());
            return Some(());
        }
        if !self.is_first {
            self.inbox.skip_to(|came| {
                let mut channels = channels.iter();
                let channel = channels.find(|channel| *channel.name == *came.channel);
                let prev_id = channel.map(|channel| &channel.prev_id);
                prev_id.is_some_and(|prev_id| prev_id.is_none() || *prev_id == came.prev_id)
            });
        }
        self.is_first = false;
        self.listen_for_silence();
        self.look_later();
        Some(())
    }

    /// Applies a publication.
    fn came(&mut self, came: Received) -> Step {
        let mut channels = self.instruct.channels.iter_mut();
        let Some(channel) = channels.find(|channel| *channel.name == *came.channel) else {
            return Step::Stay;
        };
        if channel.prev_id.is_some() {
            if channel.prev_id != came.prev_id {
                self.app.last_ids.forget(&came.channel);
                self.inbox.clear();
                self.due = Some(spread());
                return Step::Stay;
            }
            channel.prev_id = came.id;
        }
        match came.what {
            Payload::Content(content) => {
                self.was_sent(came.channel);
                match content.is_empty() {
                    true => Step::Stay,
                    false => Step::Send(content),
                }
            }
            Payload::Hint if self.instruct.next.is_some() => {
                // The next response of the web app contains the queued publications.
                self.inbox.clear();
                self.due = Some(Duration::ZERO);
                Step::Stay
            }
            Payload::Close => Step::End,
            Payload::Nothing | Payload::Hint | Payload::Answer(_) => Step::Stay,
        }
    }

    /// Records a publication on a channel, and restarts the timers.
    fn was_sent(&mut self, channel: Arc<str>) {
        let keep_alive = self.instruct.keep_alive.as_ref();
        if keep_alive.is_some_and(|keep_alive| !keep_alive.is_interval) {
            self.listen_for_silence();
        }
        if !self.active.contains(&channel) {
            self.active.push(channel);
        }
        if self.active.len() >= self.instruct.channels.len() {
            self.look_later();
        }
    }

    fn listen_for_silence(&mut self) {
        let keep_alive = self.instruct.keep_alive.as_ref();
        arm(
            &mut self.quiet,
            keep_alive.map(|keep_alive| keep_alive.timeout),
        );
    }

    fn look_later(&mut self) {
        self.active.clear();
        let next = self.instruct.next.as_ref();
        arm(&mut self.look, next.map(|next| next.timeout));
    }

    /// Requests the next link after a delay; `None` if that fails, which is logged, or if the port
    /// closes.
    async fn go_on(&mut self, after: Duration) -> Option<()> {
        let Some(next) = &self.instruct.next else {
            return Some(());
        };
        let (app, channels) = (&self.app, &self.instruct.channels);
        let asking = async {
            sleep(after).await;
            let mut retry = 0;
            loop {
                let error = match app.follow(&next.link, &self.asked, channels).await {
                    Ok(answer) => return Ok(answer),
                    Err(NotFollowed::Never(error)) => return Err(error),
                    Err(NotFollowed::Now(error)) => error,
                };
                if retry == RETRIES {
                    return Err(error);
                }
                let pause = RETRY * 2_u32.saturating_pow(retry);
                let jitter = rand::rng().random_range(1.0..1.5);
                sleep(pause.mul_f64(jitter)).await;
                retry += 1;
            }
        };
        let answer = tokio::select! {
            biased;
            () = &mut self.closing => return None,
            answer = asking => answer,
        };
        let answer = answer.and_then(|answer| match answer.1.mode {
            Some(Mode::Response) => Err(UpstreamError::BadAnswer(
                "the Grip-Hold of its answer for a Grip-Link is not `stream`",
            )),
            Some(Mode::Stream) | None => Ok(answer),
        });
        match answer {
            Ok((asked, instruct, content)) => {
                self.inbox.follow(&self.app.channels, &instruct.channels);
                self.asked = asked;
                self.instruct = instruct;
                self.content = Some(content);
                self.is_first = false;
                Some(())
            }
            Err(error) => {
                self.app.proxy.note(&error);
                None
            }
        }
    }
}

/// Returns a random delay, so that requests do not come together.
pub(super) fn spread() -> Duration {
    SPREAD.mul_f64(rand::rng().random_range(0.0..1.0))
}

/// Sets a timer; `None` removes it.
fn arm(timer: &mut Option<Pin<Box<Sleep>>>, after: Option<Duration>) {
    match (timer.as_mut(), after) {
        (Some(timer), Some(after)) => timer.as_mut().reset(Instant::now() + after),
        (None, Some(after)) => *timer = Some(Box::pin(sleep(after))),
        (_, None) => *timer = None,
    }
}

impl fmt::Debug for Streaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming")
            .field("asked", &self.asked)
            .field("instruct", &self.instruct)
            .finish_non_exhaustive()
    }
}
