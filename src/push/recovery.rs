//! Recovery of the messages of a channel that a client has missed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use polysock_protocols::{Message, SharedMessage};

use super::channel::{AlreadyReceived, ChannelEvent, Member};
use super::channels::{Channels, Receiving, Subscribed};
use super::delivery::{Delivery, Position};
use super::positioned;
use super::presence::Attendee;
use super::publication::Push;
use crate::broadcast::Mailbox;

/// The maximum number of deliveries kept during a recovery.
const MOST: usize = 10_000;

/// A recovery: returns the messages that a client has missed, then subscribes the client. Each
/// message is sent once, with the client's position after it.
pub(crate) struct Recovery {
    channels: Channels,
    name: Arc<str>,
    /// The deliveries since the recovery began, to be sent after it.
    kept: Arc<Mutex<Kept>>,
    receiving: Receiving,
    had: AlreadyReceived,
    /// The offset after which to continue. `None` if there is no more.
    more: Option<u64>,
}

#[derive(Default)]
struct Kept {
    deliveries: VecDeque<(Delivery, Option<Position>)>,
    /// The number of deliveries dropped for lack of room.
    lost: u64,
}

impl Recovery {
    /// Starts a recovery from a position, or from now on if `since` is `None`.
    pub(crate) fn new(channels: &Channels, name: &str, since: Option<Position>) -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let keeping = Arc::clone(&kept);
        let receiving = channels.tell(Some(name), move |_, told| {
            let ChannelEvent::Delivered(delivery, position) = told else {
                return;
            };
            let mut kept = keeping.lock().unwrap_or_else(PoisonError::into_inner);
            kept.deliveries.push_back((delivery.clone(), position));
            if kept.deliveries.len() > MOST {
                kept.deliveries.pop_front();
                kept.lost += 1;
            }
        });
        Self {
            channels: channels.clone(),
            name: name.into(),
            kept,
            receiving,
            had: AlreadyReceived {
                since,
                last: BTreeMap::new(),
            },
            more: since.map(|since| since.offset),
        }
    }

    /// Returns the first messages: the position, with whether all missed messages will follow, and
    /// the first page of those.
    pub(crate) async fn begin(&mut self) -> Vec<Message> {
        let Some(since) = self.had.since else {
            let position = self.channels.look(&self.name, |channel| channel.position());
            return vec![positioned::beginning(position.flatten(), true)];
        };
        match self.page(since).await {
            Some((mut messages, is_whole)) => {
                messages.insert(0, positioned::beginning(Some(since), is_whole));
                messages
            }
            None => vec![positioned::beginning(Some(since), false)],
        }
    }

    /// Returns the next page of missed messages. `None` if there is none.
    pub(crate) async fn next(&mut self) -> Option<Vec<Message>> {
        let since = self.had.since?;
        let (messages, _) = self.page(since).await?;
        Some(messages)
    }

    async fn page(&mut self, since: Position) -> Option<(Vec<Message>, bool)> {
        let after = self.more.take()?;
        let past = self.channels.past(&self.name, after).await?;
        let mut messages = Vec::new();
        for (offset, origin, publication) in past.entries {
            self.more = Some(offset).filter(|_| past.has_more);
            if self.had.has(origin) {
                continue;
            }
            self.had.last.insert(origin.node, origin.number);
            if let Push::Message(message) = &publication.push
                && publication.audience.only.is_none()
            {
                let position = Position { offset, ..since };
                messages.push(positioned::message(Some(position), message));
            }
        }
        Some((messages, past.is_whole))
    }

    /// Subscribes the client: its mailbox gets the messages delivered meanwhile, and those
    /// delivered from now on.
    pub(crate) fn join(self, mailbox: &Mailbox, attendee: Attendee) -> Subscribed {
        let Self {
            channels,
            name,
            kept,
            receiving,
            had,
            ..
        } = self;
        let send = |message| mailbox.send(&Arc::new(SharedMessage::new(message)));
        let id = attendee.id.clone();
        let member = Member {
            mailbox: mailbox.clone(),
            attendee,
            is_not: None,
            // A message already received from the history may still be on its way here.
            had: Some(had.clone()),
        };
        let subscribed = channels.join(&name, member, || {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.lost > 0 {
                send(positioned::gap(Some(kept.lost)));
            }
            for (delivery, position) in kept.deliveries.drain(..) {
                let publication = &delivery.publication;
                if had.has_delivery(&delivery) || !publication.audience.includes(Some(&id)) {
                    continue;
                }
                match &publication.push {
                    Push::Nothing => {}
                    Push::Message(message) => send(positioned::message(position, message)),
                    Push::Close(close) => mailbox.close(close.clone()),
                }
            }
        });
        drop(receiving);
        subscribed
    }
}
