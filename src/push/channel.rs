//! A channel: its members and receivers, and the delivery of publications to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use polysock_protocols::SharedMessage;

use super::delivery::{Delivery, Position};
use super::envelope::{NodeId, Origin};
use super::order::Order;
use super::presence::{Attendee, MOST_NAMED, Present};
use super::publication::Push;
use crate::broadcast::Mailbox;

/// A callback for the events of a channel, called while the channel is locked, on the thread of the
/// publisher or of the node.
pub(super) type Receiver = dyn Fn(&str, ChannelEvent<'_>) + Send + Sync;

pub(super) type Receivers = BTreeMap<u64, Arc<Receiver>>;

/// An event of a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ChannelEvent<'a> {
    /// A publication, and the position of the channel after it. `None` if the position is unknown.
    Delivered(&'a Delivery, Option<Position>),
    /// Publications are irrecoverably lost: this many, or `None` if their number is unknown.
    Gap(Option<u64>),
}

#[derive(Default)]
pub(super) struct Channel {
    /// The members, by the group of their mailbox, so that mailboxes of one topic are adjacent, and
    /// a number.
    pub(super) members: BTreeMap<(usize, u64), Member>,
    pub(super) receivers: Receivers,
    /// The attendees that are not members.
    pub(super) attendees: BTreeMap<u64, Attendee>,
    pub(super) order: Order,
    /// Whether a task delivers the waiting publications when their time is up.
    pub(super) is_watched: bool,
    /// The position up to which publications were delivered. `None` without a history.
    position: Option<Position>,
}

pub(super) struct Member {
    pub(super) mailbox: Mailbox,
    pub(super) attendee: Attendee,
    /// The sender whose publications the member does not receive. `None` if it receives all.
    pub(super) is_not: Option<String>,
    /// The publications that the member had received before it joined. `None` for a member that
    /// does not receive its position with each message.
    pub(super) had: Option<AlreadyReceived>,
}

/// The publications that a member received by recovery and that may arrive again: those up to a
/// position, and those of each node up to a number.
#[derive(Clone, Debug, Default)]
pub(super) struct AlreadyReceived {
    pub(super) since: Option<Position>,
    pub(super) last: BTreeMap<NodeId, u64>,
}

impl AlreadyReceived {
    pub(super) fn has(&self, origin: Origin) -> bool {
        let last = self.last.get(&origin.node).copied().unwrap_or(0);
        origin.number <= last || self.since.is_some_and(|since| since.has(origin))
    }

    pub(super) fn has_delivery(&self, delivery: &Delivery) -> bool {
        delivery.origin.is_some_and(|origin| self.has(origin))
    }
}

impl Channel {
    /// Returns true if the channel has no members, receivers and attendees.
    pub(super) fn is_left(&self) -> bool {
        self.members.is_empty() && self.receivers.is_empty() && self.attendees.is_empty()
    }

    pub(super) fn deliver(&mut self, name: &str, due: &[Delivery], everywhere: &Receivers) {
        for delivery in due {
            let position = self.advance(delivery);
            let publication = &delivery.publication;
            let sender = publication.sender.as_deref();
            let is_for = |member: &&Member| {
                (sender.is_none() || member.is_not.as_deref() != sender)
                    && publication.audience.includes(Some(&member.attendee.id))
            };
            let members = || self.members.values().filter(is_for);
            match &publication.push {
                Push::Nothing => {}
                Push::Message(message) => {
                    let plain = members().filter(|member| member.had.is_none());
                    let plain = plain.map(|member| &member.mailbox);
                    let shared = Arc::new(SharedMessage::new(message.clone()));
                    Mailbox::send_to_all(plain, &shared);
                    #[cfg(feature = "grip")]
                    {
                        let is_new = |had: &AlreadyReceived| !had.has_delivery(delivery);
                        let told =
                            members().filter(|member| member.had.as_ref().is_some_and(is_new));
                        let mut told = told.map(|member| &member.mailbox).peekable();
                        if told.peek().is_some() {
                            let text = super::positioned::message(position, message);
                            let shared = Arc::new(SharedMessage::new(text));
                            Mailbox::send_to_all(told, &shared);
                        }
                    }
                }
                Push::Close(close) => {
                    members().for_each(|member| member.mailbox.close(close.clone()));
                }
            }
            for receiver in self.receivers.values().chain(everywhere.values()) {
                receiver(name, ChannelEvent::Delivered(delivery, position));
            }
        }
    }

    /// Reports to members with positions and to receivers that publications are irrecoverably lost.
    pub(super) fn gap(&mut self, name: &str, lost: Option<u64>, everywhere: &Receivers) {
        #[cfg(feature = "grip")]
        {
            let told = self.members.values();
            let told = told.filter(|member| member.had.is_some());
            let shared = Arc::new(SharedMessage::new(super::positioned::gap(lost)));
            Mailbox::send_to_all(told.map(|member| &member.mailbox), &shared);
        }
        for receiver in self.receivers.values().chain(everywhere.values()) {
            receiver(name, ChannelEvent::Gap(lost));
        }
    }

    /// Advances the position by a delivery, and returns the new position.
    fn advance(&mut self, delivery: &Delivery) -> Option<Position> {
        let position = self.position.as_mut()?;
        match (delivery.offset, delivery.origin) {
            (Some(offset), _) => position.offset = offset.max(position.offset),
            (None, Some(origin)) => position.beyond = Some((origin.node, origin.number)),
            (None, None) => {}
        }
        Some(*position)
    }

    /// Moves the position to `offset`, the end of the history, unless the position is beyond it.
    pub(super) fn begin(&mut self, offset: u64) {
        let position = self.position.get_or_insert(Position {
            offset,
            beyond: None,
        });
        position.offset = position.offset.max(offset);
    }

    /// Records the offset in the history of a publication of this node.
    pub(super) fn place(&mut self, number: u64, offset: u64) {
        self.begin(offset);
        if let Some(position) = &mut self.position
            && position.beyond.is_some_and(|(_, last)| last <= number)
        {
            position.beyond = None;
        }
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// Returns who is on the channel in this process.
    pub(super) fn present(&self) -> Present {
        let members = self.members.values().map(|member| &member.attendee);
        let all = members.chain(self.attendees.values());
        Present {
            count: (self.members.len() + self.attendees.len()) as u64,
            attendees: all.take(MOST_NAMED).cloned().collect(),
            ..Present::default()
        }
    }
}
