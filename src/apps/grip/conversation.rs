//! A client and its web app, from the open to the close.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use polysock_protocols::{Close, CloseCode, Message, SharedMessage, Side};
use tokio::time::{Instant, Sleep, sleep};
use tracing::debug;

use super::control::{Control, KeepAlive};
use super::events::{self, Event};
use super::origin::{Answer, Origin, Said};
use super::turns::Turns;
use crate::broadcast::{Mailbox, Queue, Subscription, mailboxes};
use crate::connection::Connection;
use crate::error::{BoxError, ConnectionError};
use crate::push::{Channels, Subscribed};
use crate::upstream::UpstreamError;

/// How many channels a client may be subscribed to.
const MOST_CHANNELS: usize = 20;

/// A client whose web app has accepted it.
pub(super) struct Conversation {
    connection: Connection,
    post: Subscription,
    mailbox: Mailbox,
    origin: Origin,
    turns: Turns,
    channels: Channels,
    subscribed: Vec<Subscribed>,
    /// Whether the web app is told no more.
    is_detached: bool,
    /// Whether we close it.
    is_closing: bool,
    quiet: Option<Box<Quiet>>,
    /// After when an empty request is sent.
    poke: Option<Pin<Box<Sleep>>>,
}

/// What a client gets where it has got nothing for some time.
struct Quiet {
    keep_alive: KeepAlive,
    /// How many messages it had got when it was looked at last.
    sent: u64,
    sleep: Pin<Box<Sleep>>,
}

/// The client is cut off: its web app has failed, or wants it so.
struct Cut(Option<UpstreamError>);

/// What has happened.
enum Happened {
    Answered(Answer),
    Came(Option<Result<Message, ConnectionError>>),
    Quiet,
    Poke,
}

impl Conversation {
    pub(super) fn new(
        connection: Connection,
        origin: Origin,
        channels: Channels,
        queue: Queue,
    ) -> Self {
        let post = mailboxes(queue);
        Self {
            mailbox: post.mailbox(),
            connection,
            post,
            origin,
            turns: Turns::default(),
            channels,
            subscribed: Vec::new(),
            is_detached: false,
            is_closing: false,
            quiet: None,
            poke: None,
        }
    }

    /// Does what the web app has answered to the open.
    pub(super) fn begin(mut self, answer: Vec<Event>) -> Self {
        if let Err(Cut(_)) = self.act(answer) {
            self.connection.cut();
        }
        self.poke_later();
        self
    }

    /// Has them talk until one of them ends it.
    pub(super) async fn hold(mut self) -> Result<(), BoxError> {
        loop {
            self.turns.begin(&self.origin);
            match self.next().await {
                Happened::Answered(answer) => {
                    self.poke_later();
                    if let Err(Cut(error)) = self.answered(answer) {
                        self.connection.cut();
                        return error.map_or(Ok(()), |error| Err(error.into()));
                    }
                }
                Happened::Came(Some(Ok(message))) => self.came(message),
                Happened::Came(Some(Err(error))) => return Box::pin(self.end(Err(error))).await,
                Happened::Came(None) => return Box::pin(self.end(Ok(()))).await,
                Happened::Quiet => self.break_silence(),
                Happened::Poke => {
                    self.turns.begin_empty(&self.origin);
                    self.poke = None;
                }
            }
        }
    }

    async fn next(&mut self) -> Happened {
        let Self {
            connection,
            post,
            turns,
            quiet,
            poke,
            ..
        } = self;
        let has_room = turns.has_room();
        let coming = async {
            if has_room {
                return post.next(connection).await;
            }
            // What is sent to it goes out meanwhile.
            poll_fn(|cx| {
                post.poll_send(connection, cx);
                Poll::Pending
            })
            .await
        };
        tokio::select! {
            biased;
            answer = turns.answer() => Happened::Answered(answer),
            came = coming => Happened::Came(came),
            () = rings(quiet.as_mut().map(|quiet| &mut quiet.sleep)) => Happened::Quiet,
            () = rings(poke.as_mut()) => Happened::Poke,
        }
    }

    /// A message of the client has come.
    fn came(&mut self, message: Message) {
        if self.is_detached || self.is_closing {
            return;
        }
        self.turns.push(match message {
            Message::Text(text) => Event::Text(text.into_bytes()),
            Message::Binary(bytes) => Event::Binary(bytes),
        });
    }

    /// Does what the web app has answered.
    fn answered(&mut self, answer: Answer) -> Result<(), Cut> {
        let answer = answer.map_err(|error| Cut(Some(error)))?;
        let events = self.events(answer);
        self.act(events.map_err(|problem| Cut(Some(UpstreamError::BadAnswer(problem))))?)
    }

    fn events(&mut self, answer: Response<Bytes>) -> Result<Vec<Event>, &'static str> {
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            return Err("its answer to events has another status than 200");
        }
        self.origin.note(&head.headers);
        events::read(body).map_err(|_| "its answer is no events")
    }

    fn act(&mut self, events: Vec<Event>) -> Result<(), Cut> {
        let wrong = |problem| Err(Cut(Some(UpstreamError::BadAnswer(problem))));
        for event in events {
            match event {
                Event::Text(content) => match self.origin.said(&content) {
                    Said::Client(text) => match ByteString::try_from(text) {
                        Ok(text) => self.send(Message::Text(text)),
                        Err(_) => return wrong("a text of it is not UTF-8"),
                    },
                    Said::Gateway(control) => self.control(&control),
                    Said::Nobody => {}
                },
                Event::Binary(content) => match self.origin.said(&content) {
                    Said::Client(bytes) => self.send(Message::Binary(bytes)),
                    Said::Gateway(control) => self.control(&control),
                    Said::Nobody => {}
                },
                Event::Ping(payload) => self.connection.ping(payload),
                // We send pings ourselves, and see to their answers.
                Event::Pong(_) => {}
                Event::Close(close) => {
                    self.close(close.unwrap_or_else(|| CloseCode::NORMAL.into()));
                    return Ok(());
                }
                Event::Disconnect => return Err(Cut(None)),
                Event::Open => return wrong("it opens what is open"),
            }
        }
        Ok(())
    }

    fn send(&self, message: Message) {
        self.mailbox.send(&Arc::new(SharedMessage::new(message)));
    }

    /// Closes it behind what was sent before.
    fn close(&mut self, close: Close) {
        self.is_closing = true;
        self.mailbox.close(close);
    }

    fn control(&mut self, text: &[u8]) {
        let control = match Control::read(text) {
            Ok(control) => control,
            Err(unheeded) => {
                let id = self.origin.connection();
                debug!(%id, reason = unheeded.0, "a control message of a web app is not heeded");
                return;
            }
        };
        match control {
            Control::Subscribe {
                channel,
                skips_self,
            } => {
                let is_there = self.subscribed.iter().any(|one| one.name() == channel);
                if !is_there && self.subscribed.len() < MOST_CHANNELS {
                    let user = self.origin.meta("user").filter(|_| skips_self);
                    let user = user.map(str::to_owned);
                    let mailbox = self.mailbox.clone();
                    self.subscribed
                        .push(self.channels.subscribe(&channel, mailbox, user));
                }
            }
            Control::Unsubscribe { channel } => {
                self.subscribed.retain(|one| one.name() != channel);
            }
            Control::Detach => {
                self.turns.push(Event::Close(None));
                self.is_detached = true;
                self.origin.interval = None;
            }
            Control::SetMeta { name, value } => {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    self.origin.set_meta(&name.to_ascii_lowercase(), value);
                }
            }
            Control::KeepAlive(keep_alive) => {
                self.quiet = keep_alive.map(|keep_alive| {
                    Box::new(Quiet {
                        sent: self.connection.traffic().messages_sent,
                        sleep: Box::pin(sleep(keep_alive.timeout)),
                        keep_alive,
                    })
                });
            }
        }
    }

    /// The client gets something, if it has got nothing since it was looked at last.
    fn break_silence(&mut self) {
        let Some(quiet) = &mut self.quiet else { return };
        let sent = self.connection.traffic().messages_sent;
        let is_due = quiet.keep_alive.is_interval || sent == quiet.sent;
        let next = Instant::now() + quiet.keep_alive.timeout;
        quiet.sleep.as_mut().reset(next);
        // What is sent now is not what breaks the next silence.
        quiet.sent = sent + u64::from(is_due);
        if is_due {
            let message = quiet.keep_alive.message.clone();
            self.send(message);
        }
    }

    /// Has an empty request be sent when the web app has heard nothing for as long as it wants.
    fn poke_later(&mut self) {
        let later = |interval: Duration| Box::pin(sleep(interval));
        self.poke = self.origin.interval.map(later);
    }

    /// The client is gone: the web app is told how, and what came before.
    async fn end(mut self, ended: Result<(), ConnectionError>) -> Result<(), BoxError> {
        self.subscribed.clear();
        let closed = self.connection.closed();
        let by_peer = closed.filter(|closed| closed.by == Side::Peer);
        if !self.is_detached && !self.is_closing {
            match (by_peer, &ended) {
                (Some(closed), Ok(())) => self.turns.push(Event::Close(closed.close.clone())),
                (None, Ok(())) => self.turns.push(Event::Close(self.ours())),
                (_, Err(_)) => self.turns.push(Event::Disconnect),
            }
        }
        let Self {
            mut turns,
            mut origin,
            connection,
            post,
            ..
        } = self;
        // Its memory and its place are not held for what is still to be told.
        drop((connection, post));
        while !turns.is_idle() {
            turns.begin(&origin);
            match turns.answer().await {
                Ok(answer) if answer.status() == StatusCode::OK => origin.note(answer.headers()),
                Ok(_) | Err(_) => break,
            }
        }
        Ok(ended?)
    }

    /// The close that we have sent by ourselves: what was published, a shutdown.
    fn ours(&self) -> Option<Close> {
        self.connection.closed()?.close.clone()
    }
}

/// Waits for a timer, for ever where there is none.
async fn rings(sleep: Option<&mut Pin<Box<Sleep>>>) {
    match sleep {
        Some(sleep) => sleep.as_mut().await,
        None => pending().await,
    }
}
