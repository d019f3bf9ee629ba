//! The exchange between a client and its web app, from the open to the close.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hyper::StatusCode;
use polysock_protocols::Message;
use tokio::time::{Instant, Sleep, sleep};

use super::client_state::{ClientState, Cut};
use super::control::KeepAlive;
use super::events::Event;
use super::origin::Answer;
use super::timer::expired;
use crate::broadcast::Subscription;
use crate::connection::Connection;
use crate::error::{BoxError, ConnectionError};
use crate::upstream::UpstreamError;

/// A client that its web app has accepted.
pub(super) struct Conversation {
    connection: Connection,
    post: Subscription,
    client_state: ClientState,
    quiet: Option<Box<KeepAliveTimer>>,
    /// Expires when an empty request is due.
    poke: Option<Pin<Box<Sleep>>>,
}

/// The keep-alive of a client.
struct KeepAliveTimer {
    keep_alive: KeepAlive,
    /// The number of messages sent to the client when the timer was last checked.
    sent: u64,
    sleep: Pin<Box<Sleep>>,
}

/// An event of the conversation.
enum ConversationEvent {
    Answered(Answer),
    Received(Option<Result<Message, ConnectionError>>),
    KeepAlive,
    Poke,
}

impl Conversation {
    /// Starts the conversation of an accepted client, and applies the first response.
    pub(super) fn new(
        connection: Connection,
        post: Subscription,
        client_state: ClientState,
    ) -> Self {
        let mut conversation = Self {
            connection,
            post,
            client_state,
            quiet: None,
            poke: None,
        };
        conversation.settle();
        conversation.poke_later();
        conversation
    }

    /// Runs the conversation until the client or the web app ends it.
    pub(super) async fn hold(mut self) -> Result<(), BoxError> {
        loop {
            self.client_state
                .event_queue
                .begin(&self.client_state.origin);
            match self.next().await {
                ConversationEvent::Answered(answer) => {
                    self.poke_later();
                    if let Err(Cut(error)) = self.answered(answer) {
                        self.connection.cut();
                        return error.map_or(Ok(()), |error| Err(error.into()));
                    }
                }
                ConversationEvent::Received(Some(Ok(message))) => self.came(message),
                ConversationEvent::Received(Some(Err(error))) => {
                    return Box::pin(self.end(Err(error))).await;
                }
                ConversationEvent::Received(None) => return Box::pin(self.end(Ok(()))).await,
                ConversationEvent::KeepAlive => self.break_silence(),
                ConversationEvent::Poke => {
                    self.client_state
                        .event_queue
                        .begin_empty(&self.client_state.origin);
                    self.poke = None;
                }
            }
        }
    }

    async fn next(&mut self) -> ConversationEvent {
        let Self {
            connection,
            post,
            client_state,
            quiet,
            poke,
        } = self;
        let event_queue = &mut client_state.event_queue;
        let has_room = event_queue.has_room();
        let coming = async {
            if has_room {
                return post.next(connection).await;
            }
            // Nothing is read, but queued messages are still sent.
            poll_fn(|cx| {
                post.poll_send(connection, cx);
                Poll::Pending
            })
            .await
        };
        tokio::select! {
            biased;
            answer = event_queue.answer() => ConversationEvent::Answered(answer),
            came = coming => ConversationEvent::Received(came),
            () = expired(quiet.as_mut().map(|quiet| &mut quiet.sleep)) => ConversationEvent::KeepAlive,
            () = expired(poke.as_mut()) => ConversationEvent::Poke,
        }
    }

    /// Queues a message from the client for the web app.
    fn came(&mut self, message: Message) {
        if self.client_state.is_detached || self.client_state.is_closing {
            return;
        }
        self.client_state.event_queue.push(match message {
            Message::Text(text) => Event::Text(text.into_bytes()),
            Message::Binary(bytes) => Event::Binary(bytes),
        });
    }

    /// Executes the actions in a response of the web app.
    fn answered(&mut self, answer: Answer) -> Result<(), Cut> {
        let answer = answer.map_err(|error| Cut(Some(error)))?;
        let events = self.client_state.events(answer);
        let wrong = |problem| Cut(Some(UpstreamError::BadAnswer(problem)));
        let done = self.client_state.act(events.map_err(wrong)?);
        self.settle();
        done
    }

    /// Applies the actions that need the connection: pings, and the keep-alive.
    fn settle(&mut self) {
        for payload in self.client_state.pings.drain(..) {
            self.connection.ping(payload);
        }
        if let Some(keep_alive) = self.client_state.keep_alive.take() {
            let sent = self.connection.traffic().messages_sent;
            self.quiet = keep_alive.map(|keep_alive| {
                Box::new(KeepAliveTimer {
                    sent,
                    sleep: Box::pin(sleep(keep_alive.timeout)),
                    keep_alive,
                })
            });
        }
    }

    /// Sends the keep-alive message if it is due.
    fn break_silence(&mut self) {
        let Some(quiet) = &mut self.quiet else { return };
        let sent = self.connection.traffic().messages_sent;
        let is_due = quiet.keep_alive.is_interval || sent == quiet.sent;
        let next = Instant::now() + quiet.keep_alive.timeout;
        quiet.sleep.as_mut().reset(next);
        // The keep-alive message itself does not count as activity.
        quiet.sent = sent + u64::from(is_due);
        if is_due {
            let message = quiet.keep_alive.message.clone();
            self.client_state.send(message);
        }
    }

    /// Restarts the timer for the next empty request.
    fn poke_later(&mut self) {
        let later = |interval: Duration| Box::pin(sleep(interval));
        self.poke = self.client_state.origin.interval.map(later);
    }

    /// Ends the conversation after the client has disconnected: sends the remaining events and the
    /// close to the web app.
    async fn end(mut self, ended: Result<(), ConnectionError>) -> Result<(), BoxError> {
        self.client_state.subscribed.clear();
        if !self.client_state.is_detached && !self.client_state.is_closing {
            let closed = self.connection.closed();
            self.client_state.event_queue.push(match ended {
                Ok(()) => Event::Close(closed.and_then(|closed| closed.close.clone())),
                Err(_) => Event::Disconnect,
            });
        }
        let Self {
            client_state,
            connection,
            post,
            ..
        } = self;
        // Frees the memory of the connection, and its place in the limit, before the last requests.
        drop((connection, post));
        let ClientState {
            mut event_queue,
            mut origin,
            ..
        } = client_state;
        while !event_queue.is_idle() {
            event_queue.begin(&origin);
            match event_queue.answer().await {
                Ok(answer) if answer.status() == StatusCode::OK => origin.note(answer.headers()),
                Ok(_) | Err(_) => break,
            }
        }
        Ok(ended?)
    }
}
