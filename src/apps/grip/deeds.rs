//! What is done for a client as its web app says.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use polysock_protocols::{Close, CloseCode, Message, SharedMessage};
use tracing::debug;

use super::control::{Control, KeepAlive};
use super::events::{self, Event};
use super::origin::{Origin, Said};
use super::turns::Turns;
use crate::broadcast::Mailbox;
use crate::push::{Attendee, Channels, Subscribed};
use crate::upstream::UpstreamError;

/// How many channels a client may be subscribed to.
const MOST_CHANNELS: usize = 20;

/// What is done for a client as its web app says. It is there before the client is let in: what is published from
/// then on is the client's, and waits for it.
pub(super) struct Deeds {
    pub(super) mailbox: Mailbox,
    pub(super) origin: Origin,
    pub(super) turns: Turns,
    channels: Channels,
    pub(super) subscribed: Vec<Subscribed>,
    /// Whether the web app is told no more.
    pub(super) is_detached: bool,
    /// Whether we close it.
    pub(super) is_closing: bool,
    /// Pings that are to be sent.
    pub(super) pings: Vec<Bytes>,
    /// What the client gets from now on where it has got nothing for some time, where that has changed.
    pub(super) keep_alive: Option<Option<KeepAlive>>,
}

/// The client is cut off: its web app has failed, or wants it so.
#[derive(Debug)]
pub(super) struct Cut(pub(super) Option<UpstreamError>);

impl Deeds {
    pub(super) fn new(mailbox: Mailbox, origin: Origin, channels: Channels) -> Self {
        Self {
            mailbox,
            origin,
            turns: Turns::default(),
            channels,
            subscribed: Vec::new(),
            is_detached: false,
            is_closing: false,
            pings: Vec::new(),
            keep_alive: None,
        }
    }

    /// The events of an answer.
    pub(super) fn events(&mut self, answer: Response<Bytes>) -> Result<Vec<Event>, &'static str> {
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            return Err("its answer to events has another status than 200");
        }
        self.origin.note(&head.headers);
        events::read(body).map_err(|_| "its answer is no events")
    }

    /// Does what they say.
    pub(super) fn act(&mut self, events: Vec<Event>) -> Result<(), Cut> {
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
                Event::Ping(payload) => self.pings.push(payload),
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

    /// Sends the client a message.
    pub(super) fn send(&self, message: Message) {
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
                    let user = self.origin.meta("user").map(str::to_owned);
                    let is_not = user.clone().filter(|_| skips_self);
                    let id = self.origin.connection().to_string();
                    let attendee = Attendee { id, user };
                    let mailbox = self.mailbox.clone();
                    let subscribed = self.channels.subscribe(&channel, mailbox, attendee, is_not);
                    self.subscribed.push(subscribed);
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
            Control::KeepAlive(keep_alive) => self.keep_alive = Some(keep_alive),
        }
    }
}
