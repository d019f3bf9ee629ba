//! The logic of a node, without I/O: it has no socket and reads no clock. Times are relative to the
//! start of the node.

mod coming;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::effect::Effect;
use super::inbound::{Inbound, State};
use super::outbox::Outbox;
use super::peers::Peers;
use super::tally::Tally;
use crate::push::bus::{Command, Topic};
use crate::push::envelope::NodeId;
use crate::push::presence::Present;

/// The time that a channel stays subscribed to after its last local subscriber has left.
const STAY: Duration = Duration::from_secs(10);

/// The time that a channel without local subscribers is remembered after its last entry, if all
/// channels are wanted.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The maximum number of past publications in one request.
const PAGE: usize = 1000;

/// The purpose of a request for the past.
#[derive(Debug)]
enum Wanted {
    Fill(Arc<str>),
    Past(u64),
}

/// A local request for the past, sent once the broker has this node's earlier publications.
#[derive(Debug)]
struct Asked {
    ask: u64,
    channel: Arc<str>,
    after: u64,
    /// The ticket from which on publications need not be included.
    barrier: u64,
}

#[derive(Debug)]
pub(super) struct Engine {
    me: NodeId,
    has_history: bool,
    is_up: bool,
    /// The number of receivers of every channel.
    wants_all: usize,
    inbound: BTreeMap<Arc<str>, Inbound>,
    outbox: Outbox,
    ticket: u64,
    wanted: BTreeMap<u64, Wanted>,
    asked: VecDeque<Asked>,
    pub(super) peers: Peers,
    pub(super) effects: VecDeque<Effect>,
    pub(super) tally: Tally,
    /// A fault for the simulation to find: unconfirmed publications are not sent again.
    #[cfg(test)]
    pub(super) forgets_sent: bool,
    /// The same fault as that of an [`Inbound`].
    #[cfg(test)]
    pub(super) takes_again: bool,
}

impl Engine {
    pub(super) fn new(me: NodeId, has_history: bool) -> Self {
        Self {
            me,
            has_history,
            is_up: false,
            wants_all: 0,
            inbound: BTreeMap::new(),
            outbox: Outbox::default(),
            ticket: 0,
            wanted: BTreeMap::new(),
            asked: VecDeque::new(),
            peers: Peers::new(me),
            effects: VecDeque::new(),
            tally: Tally::default(),
            #[cfg(test)]
            forgets_sent: false,
            #[cfg(test)]
            takes_again: false,
        }
    }

    /// Queues a publication of this node.
    pub(super) fn publish(&mut self, channel: Arc<str>, envelope: Bytes) {
        self.tally.published += 1;
        let ticket = self.next_ticket();
        let topic = Topic::Channel(channel);
        self.tally.dropped += self.outbox.push(topic, envelope, ticket);
        self.send();
    }

    /// Handles the first local subscriber of a channel, or the departure of the last.
    pub(super) fn want(&mut self, channel: Arc<str>, is_wanted: bool, now: Duration) {
        if !is_wanted {
            if let Some(inbound) = self.inbound.get_mut(&channel) {
                inbound.left = Some(now);
            }
            return;
        }
        if let Some(inbound) = self.inbound.get_mut(&channel) {
            inbound.left = None;
            let has_bare = std::mem::replace(&mut inbound.has_bare, true);
            if let (State::Live, Some(offset)) = (inbound.state, inbound.offset) {
                self.effects.push_back(Effect::Begun {
                    channel: Arc::clone(&channel),
                    offset,
                });
            }
            if !has_bare {
                self.subscribe(Topic::Bare(channel));
            }
            return;
        }
        let is_subscribed = self.subscribes_each();
        let state = match is_subscribed {
            true => State::Asked,
            false => State::Live,
        };
        if is_subscribed {
            self.subscribe(Topic::Channel(Arc::clone(&channel)));
        }
        self.subscribe(Topic::Bare(Arc::clone(&channel)));
        let inbound = self.inbound.entry(channel);
        inbound.or_insert(Inbound::new(state)).has_bare = true;
    }

    /// Adds or removes a receiver of every channel.
    pub(super) fn want_all(&mut self, is_wanted: bool) {
        if is_wanted {
            self.wants_all += 1;
            if self.wants_all == 1 {
                self.subscribe(Topic::Channels);
            }
            return;
        }
        self.wants_all = self.wants_all.saturating_sub(1);
        if self.wants_all == 0 && self.is_up {
            if !self.has_history {
                // Subscribe before the other subscription ends, so that nothing is missed in
                // between.
                self.subscribe_each();
            }
            self.command(Command::Unsubscribe(Topic::Channels));
        }
    }

    /// Requests the publications on a channel after an offset.
    pub(super) fn past(&mut self, ask: u64, channel: Arc<str>, after: u64) {
        if !self.is_up || !self.has_history {
            self.effects.push_back(Effect::Past { ask, past: None });
            return;
        }
        let barrier = self.next_ticket();
        self.asked.push_back(Asked {
            ask,
            channel,
            after,
            barrier,
        });
        self.ask_for_past();
    }

    /// Requests who is on a channel.
    pub(super) fn who(&mut self, ask: u64, channel: &str, here: Present, now: Duration) {
        if let Some(question) = self.peers.who(ask, channel, here, self.is_up, now) {
            self.tell_nodes(question);
        }
        self.gather(now);
    }

    /// Answers another node's question of who is here.
    pub(super) fn here(&mut self, ask: u64, here: &Present) {
        let answer = self.peers.here(ask, here);
        self.tell_nodes(answer);
    }

    /// Advances the time.
    pub(super) fn tick(&mut self, now: Duration) {
        let stay = match self.wants_all {
            0 => STAY,
            _ => REMEMBERED,
        };
        let is_over = |inbound: &Inbound| inbound.left.is_some_and(|left| now >= left + stay);
        let over: Vec<_> = self.inbound.iter().filter(|one| is_over(one.1)).collect();
        let over: Vec<Arc<str>> = over.into_iter().map(|(name, _)| Arc::clone(name)).collect();
        for channel in over {
            let inbound = self.inbound.remove(&channel);
            if !self.is_up {
                continue;
            }
            if inbound.is_some_and(|inbound| inbound.has_bare) {
                self.command(Command::Unsubscribe(Topic::Bare(Arc::clone(&channel))));
            }
            if self.subscribes_each() {
                self.command(Command::Unsubscribe(Topic::Channel(channel)));
            }
        }
        self.beat(now);
        self.gather(now);
    }

    fn beat(&mut self, now: Duration) {
        if self.is_up
            && let Some(beat) = self.peers.beat(now)
        {
            self.tell_nodes(beat);
        }
    }

    /// Returns true if publications are on their way to the broker.
    pub(super) fn is_sending(&self) -> bool {
        self.is_up && self.outbox.oldest().is_some()
    }

    /// Announces the end of this node to the others.
    pub(super) fn leave(&mut self) {
        let goodbye = self.peers.goodbye();
        self.tell_nodes(goodbye);
    }

    /// Handles an established connection.
    pub(super) fn up(&mut self, now: Duration) {
        self.is_up = true;
        self.tally.connected += 1;
        self.command(Command::Subscribe(Topic::Nodes));
        if self.wants_all > 0 {
            self.command(Command::Subscribe(Topic::Channels));
        }
        if self.subscribes_each() {
            self.subscribe_each();
        }
        let bare = self.inbound.iter().filter(|one| one.1.has_bare);
        let bare: Vec<_> = bare.map(|(name, _)| Arc::clone(name)).collect();
        for channel in bare {
            self.command(Command::Subscribe(Topic::Bare(channel)));
        }
        let beat = self.peers.begin(now);
        self.tell_nodes(beat);
        self.send();
    }

    /// Handles a broken connection.
    pub(super) fn down(&mut self) {
        self.is_up = false;
        self.outbox.take_back();
        #[cfg(test)]
        if self.forgets_sent {
            self.outbox = Outbox::default();
        }
        self.wanted.clear();
        for asked in std::mem::take(&mut self.asked) {
            self.effects.push_back(Effect::Past {
                ask: asked.ask,
                past: None,
            });
        }
        let channels: Vec<Arc<str>> = self.inbound.keys().cloned().collect();
        for channel in channels {
            if self.has_history {
                // The discarded entries are requested after reconnecting.
                if let Some(inbound) = self.inbound.get_mut(&channel) {
                    inbound.forget_waiting();
                }
            } else {
                self.drain(&channel);
            }
            if let Some(inbound) = self.inbound.get_mut(&channel) {
                inbound.state = State::Asked;
            }
        }
    }

    fn settled(&mut self, ticket: u64) {
        self.outbox.settle(ticket);
        self.send();
        self.ask_for_past();
    }

    /// Returns true if each channel has its own subscription.
    fn subscribes_each(&self) -> bool {
        self.has_history || self.wants_all == 0
    }

    fn subscribe_each(&mut self) {
        let channels: Vec<Arc<str>> = self.inbound.keys().cloned().collect();
        for channel in channels {
            self.command(Command::Subscribe(Topic::Channel(channel)));
        }
    }

    fn subscribe(&mut self, topic: Topic) {
        if self.is_up {
            self.command(Command::Subscribe(topic));
        }
    }

    fn send(&mut self) {
        while self.is_up
            && let Some(command) = self.outbox.next()
        {
            self.command(command);
        }
    }

    fn ask_for_past(&mut self) {
        let oldest = self.outbox.oldest();
        while let Some(asked) = self.asked.front()
            && oldest.is_none_or(|oldest| oldest > asked.barrier)
            && let Some(asked) = self.asked.pop_front()
        {
            let ticket = self.next_ticket();
            self.wanted.insert(ticket, Wanted::Past(asked.ask));
            self.command(Command::Past {
                channel: asked.channel,
                after: asked.after,
                most: PAGE,
                ticket,
            });
        }
    }

    fn gather(&mut self, now: Duration) {
        for (ask, present) in self.peers.gathered(now) {
            self.effects.push_back(Effect::Present { ask, present });
        }
    }

    /// Sends a letter to the other nodes. Dropped without a connection: letters are repeated soon.
    fn tell_nodes(&mut self, envelope: Bytes) {
        if self.is_up {
            let ticket = self.next_ticket();
            self.command(Command::Publish {
                topic: Topic::Nodes,
                envelope,
                ticket,
            });
        }
    }

    fn command(&mut self, command: Command) {
        self.effects.push_back(Effect::Command(command));
    }

    fn next_ticket(&mut self) -> u64 {
        self.ticket += 1;
        self.ticket
    }
}
