//! The actions for a client that its web app orders.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use polysock_protocols::{Close, CloseCode, Message, SharedMessage};
use tracing::debug;

use super::control::{Control, KeepAlive};
use super::event_queue::EventQueue;
use super::events::{self, Event};
use super::origin::{Origin, Recipient};
use crate::broadcast::Mailbox;
use crate::push::{Attendee, Channels, Subscribed};
use crate::upstream::UpstreamError;

/// The limit of channels for one client.
const MOST_CHANNELS: usize = 20;

/// The state of a client that its web app controls. It exists before the client is accepted, so
/// that publications from then on are queued for the client.
pub(super) struct ClientState {
    pub(super) mailbox: Mailbox,
    pub(super) origin: Origin,
    pub(super) event_queue: EventQueue,
    channels: Channels,
    pub(super) subscribed: Vec<Subscribed>,
    /// Whether the web app is detached and receives no further events.
    pub(super) is_detached: bool,
    /// Whether we have closed the client.
    pub(super) is_closing: bool,
    /// Pings to send.
    pub(super) pings: Vec<Bytes>,
    /// A change of the keep-alive, not applied yet; `None` if there is no change.
    pub(super) keep_alive: Option<Option<KeepAlive>>,
}

/// A failure of the web app, or its order to disconnect: the connection is aborted.
#[derive(Debug)]
pub(super) struct Cut(pub(super) Option<UpstreamError>);

impl ClientState {
    pub(super) fn new(mailbox: Mailbox, origin: Origin, channels: Channels) -> Self {
        Self {
            mailbox,
            origin,
            event_queue: EventQueue::default(),
            channels,
            subscribed: Vec::new(),
            is_detached: false,
            is_closing: false,
            pings: Vec::new(),
            keep_alive: None,
        }
    }

    /// Reads the events of a response, and stores its settings.
    pub(super) fn events(&mut self, answer: Response<Bytes>) -> Result<Vec<Event>, &'static str> {
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            return Err("the status of its answer to events is not 200");
        }
        self.origin.note(&head.headers);
        events::read(body).map_err(|_| "its answer does not contain valid events")
    }

    /// Executes the actions in events.
    pub(super) fn act(&mut self, events: Vec<Event>) -> Result<(), Cut> {
        let wrong = |problem| Err(Cut(Some(UpstreamError::BadAnswer(problem))));
        for event in events {
            match event {
                Event::Text(content) => match self.origin.said(&content) {
                    Recipient::Client(text) => match ByteString::try_from(text) {
                        Ok(text) => self.send(Message::Text(text)),
                        Err(_) => return wrong("a text in its answer is not UTF-8"),
                    },
                    Recipient::Gateway(control) => self.control(&control),
                    Recipient::Nobody => {}
                },
                Event::Binary(content) => match self.origin.said(&content) {
                    Recipient::Client(bytes) => self.send(Message::Binary(bytes)),
                    Recipient::Gateway(control) => self.control(&control),
                    Recipient::Nobody => {}
                },
                Event::Ping(payload) => self.pings.push(payload),
                // The session sends pings itself and handles the pongs.
                Event::Pong(_) => {}
                Event::Close(close) => {
                    self.close(close.unwrap_or_else(|| CloseCode::NORMAL.into()));
                    return Ok(());
                }
                Event::Disconnect => return Err(Cut(None)),
                Event::Open => return wrong("its answer opens a connection that is open"),
            }
        }
        Ok(())
    }

    /// Sends a message to the client.
    pub(super) fn send(&self, message: Message) {
        self.mailbox.send(&Arc::new(SharedMessage::new(message)));
    }

    /// Closes the client after the messages sent before.
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
                self.event_queue.push(Event::Close(None));
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
