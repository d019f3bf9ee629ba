//! The engine's handling of events from the broker.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use polysock_protocols::Message;

use super::{Engine, PAGE, Wanted};
use crate::push::bus::{Command, Event, Place, Topic};
use crate::push::envelope;
use crate::push::node::effect::Effect;
use crate::push::node::inbound::{Entry, Inbound, State, Taken};
use crate::push::outlet::Past;

impl Engine {
    /// Handles an event from the broker.
    pub(in crate::push::node) fn event(&mut self, event: Event, now: Duration) {
        match event {
            Event::Subscribed { topic, last } => self.subscribed(topic, last),
            Event::Came {
                topic,
                envelope,
                place,
            } => self.came(topic, envelope, place, now),
            Event::Published { ticket } => self.settled(ticket),
            Event::Refused { ticket, reason } => {
                self.tally.refused += 1;
                self.effects.push_back(Effect::Trouble {
                    channel: "".into(),
                    problem: format!("the broker refuses a publication: {reason}"),
                });
                self.settled(ticket);
            }
            Event::Past {
                ticket,
                entries,
                is_whole,
            } => match self.wanted.remove(&ticket) {
                Some(Wanted::Fill(channel)) => self.fill_with(&channel, entries, is_whole),
                Some(Wanted::Past(ask)) => {
                    let has_more = entries.len() >= PAGE;
                    let entries = entries.into_iter().filter_map(|(offset, envelope)| {
                        let (origin, publication) = envelope::read(envelope).ok()?;
                        Some((offset, origin, publication))
                    });
                    let past = Some(Past {
                        entries: entries.collect(),
                        is_whole,
                        has_more,
                    });
                    self.effects.push_back(Effect::Past { ask, past });
                }
                None => {}
            },
        }
    }

    fn subscribed(&mut self, topic: Topic, last: Option<u64>) {
        let channels = match topic {
            Topic::Nodes | Topic::Bare(_) => return,
            Topic::Channel(channel) => vec![channel],
            // With a history each channel has its own subscription, whose confirmation starts it.
            Topic::Channels if self.has_history => return,
            Topic::Channels => self.inbound.keys().cloned().collect(),
        };
        for channel in channels {
            let Some(inbound) = self.inbound.get_mut(&channel) else {
                continue;
            };
            if inbound.state != State::Asked {
                continue;
            }
            let was_live = std::mem::replace(&mut inbound.was_live, true);
            if !self.has_history {
                if was_live {
                    self.gap(&channel, None);
                }
                self.go_live(&channel);
                continue;
            }
            let last = last.unwrap_or(0);
            match inbound.offset {
                Some(offset) if offset < last => self.fill(&channel, offset),
                // The broker has lost its history, so some of it may be missing.
                Some(offset) if offset > last && was_live => {
                    inbound.offset = Some(last);
                    self.gap(&channel, None);
                    self.go_live(&channel);
                }
                offset => {
                    let offset = offset.unwrap_or(last);
                    inbound.offset = Some(offset);
                    let name = Arc::clone(&channel);
                    self.effects.push_back(Effect::Begun {
                        channel: name,
                        offset,
                    });
                    self.go_live(&channel);
                }
            }
        }
    }

    fn came(&mut self, topic: Topic, envelope: Bytes, place: Option<Place>, now: Duration) {
        let channel = match topic {
            Topic::Channel(channel) => channel,
            Topic::Bare(channel) => return self.came_bare(channel, envelope),
            Topic::Nodes | Topic::Channels => {
                match self.peers.came(envelope, now) {
                    Ok(Some((ask, channel))) => {
                        self.effects.push_back(Effect::Who { ask, channel });
                    }
                    Ok(None) => {}
                    Err(error) => self.trouble("", &error),
                }
                self.beat(now);
                return self.gather(now);
            }
        };
        let (origin, publication) = match envelope::read(envelope) {
            Ok(read) => read,
            Err(error) => return self.trouble(&channel, &error),
        };
        let entry = Entry {
            origin,
            publication: Box::new(publication),
            place,
        };
        if !self.inbound.contains_key(&channel) {
            if self.wants_all == 0 {
                // The channel is no longer wanted.
                return;
            }
            let mut inbound = Inbound::new(State::Live);
            inbound.left = Some(now);
            self.inbound.insert(Arc::clone(&channel), inbound);
        }
        let Some(inbound) = self.inbound.get_mut(&channel) else {
            return;
        };
        #[cfg(test)]
        {
            inbound.takes_again = self.takes_again;
        }
        if inbound.left.is_some() && self.wants_all > 0 {
            inbound.left = Some(now);
        }
        match inbound.state {
            State::Live => {
                let taken = inbound.take(entry, self.me);
                self.taken(&channel, taken);
            }
            State::Asked | State::Filling => {
                if inbound.wait(entry) {
                    self.gap(&channel, Some(1));
                }
            }
        }
    }

    /// Delivers a publication that was not made by a node. Without a number, the order of arrival
    /// is kept.
    fn came_bare(&mut self, channel: Arc<str>, payload: Bytes) {
        if !self.inbound.contains_key(&channel) {
            return;
        }
        let message = match ByteString::try_from(payload.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(payload),
        };
        self.tally.received += 1;
        self.effects.push_back(Effect::Deliver {
            channel,
            origin: None,
            publication: Box::new(message.into()),
            offset: None,
        });
    }

    fn taken(&mut self, channel: &Arc<str>, taken: Taken) {
        match taken {
            Taken::New { entry, lost } => {
                if lost > 0 {
                    self.gap(channel, Some(lost));
                }
                self.tally.received += 1;
                self.effects.push_back(Effect::Deliver {
                    channel: Arc::clone(channel),
                    origin: Some(entry.origin),
                    publication: entry.publication,
                    offset: entry.place.map(|place| place.offset),
                });
            }
            Taken::Own { number } => {
                let offset = self.inbound.get(channel).and_then(|inbound| inbound.offset);
                if let Some(offset) = offset {
                    self.effects.push_back(Effect::Placed {
                        channel: Arc::clone(channel),
                        number,
                        offset,
                    });
                }
            }
            Taken::Again => self.tally.again += 1,
            Taken::Hole { after } => self.fill(channel, after),
        }
    }

    /// Requests the missing publications after an offset.
    fn fill(&mut self, channel: &Arc<str>, after: u64) {
        let ticket = self.next_ticket();
        if let Some(inbound) = self.inbound.get_mut(channel) {
            inbound.state = State::Filling;
        }
        let channel = Arc::clone(channel);
        self.wanted
            .insert(ticket, Wanted::Fill(Arc::clone(&channel)));
        self.command(Command::Past {
            channel,
            after,
            most: PAGE,
            ticket,
        });
    }

    fn fill_with(&mut self, channel: &Arc<str>, entries: Vec<(u64, Bytes)>, is_whole: bool) {
        if !is_whole {
            self.gap(channel, None);
        }
        let has_more = entries.len() >= PAGE;
        let received = self.tally.received;
        let mut last = None;
        for (offset, envelope) in entries {
            last = Some(offset);
            let (origin, publication) = match envelope::read(envelope) {
                Ok(read) => read,
                Err(error) => {
                    self.trouble(channel, &error);
                    continue;
                }
            };
            let Some(inbound) = self.inbound.get_mut(channel) else {
                return;
            };
            let place = Some(Place {
                offset,
                previous: 0,
            });
            let entry = Entry {
                origin,
                publication: Box::new(publication),
                place,
            };
            let taken = inbound.take_in(entry, self.me);
            self.taken(channel, taken);
        }
        self.tally.filled += self.tally.received - received;
        match last.filter(|_| has_more) {
            Some(last) => self.fill(channel, last),
            None => {
                if let Some(inbound) = self.inbound.get_mut(channel) {
                    inbound.close_hole();
                }
                self.go_live(channel);
            }
        }
    }

    /// Makes a channel live and takes its queued entries.
    fn go_live(&mut self, channel: &Arc<str>) {
        if let Some(inbound) = self.inbound.get_mut(channel) {
            inbound.state = State::Live;
        }
        self.drain(channel);
    }

    pub(super) fn drain(&mut self, channel: &Arc<str>) {
        while let Some(inbound) = self.inbound.get_mut(channel)
            && inbound.state != State::Filling
            && let Some(entry) = inbound.next_waiting()
        {
            let taken = inbound.take(entry, self.me);
            self.taken(channel, taken);
        }
    }

    fn gap(&mut self, channel: &Arc<str>, lost: Option<u64>) {
        self.tally.gaps += 1;
        self.tally.lost += lost.unwrap_or(0);
        let channel = Arc::clone(channel);
        self.effects.push_back(Effect::Gap { channel, lost });
    }

    fn trouble(&mut self, channel: &str, error: &envelope::EnvelopeError) {
        self.tally.unreadable += 1;
        self.effects.push_back(Effect::Trouble {
            channel: channel.into(),
            problem: format!("a message of another node cannot be read: {error}"),
        });
    }
}
