//! The broker of the simulation.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::{NODES, World};
use crate::push::bus::{Command, Event, Place, Topic};

/// The number of publications that the broker keeps of a channel.
const KEPT: usize = 200;

#[derive(Default)]
pub(super) struct Broker {
    /// The subscribed topics, by node.
    pub(super) subscribed: BTreeMap<usize, BTreeSet<String>>,
    kept: BTreeMap<Arc<str>, VecDeque<(u64, Bytes)>>,
    last: BTreeMap<Arc<str>, u64>,
    /// The base of the offsets, raised whenever the history is lost.
    start: u64,
}

impl Broker {
    /// Loses the whole history and all subscriptions.
    pub(super) fn forget(&mut self) {
        *self = Self {
            start: self.start + 1_000_000,
            ..Self::default()
        };
    }
}

fn name(topic: &Topic) -> String {
    match topic {
        Topic::Channel(channel) => format!("c {channel}"),
        Topic::Channels => "all".to_owned(),
        Topic::Nodes => "nodes".to_owned(),
        Topic::Bare(channel) => format!("bare {channel}"),
    }
}

impl World {
    /// Executes a node's command at the broker.
    pub(super) fn broker_does(&mut self, node: usize, command: Command) {
        match command {
            Command::Subscribe(topic) => {
                let subscribed = self.broker.subscribed.entry(node).or_default();
                subscribed.insert(name(&topic));
                let last = match &topic {
                    Topic::Channel(channel) => self.broker.last.get(channel).copied(),
                    _ => None,
                };
                self.tell(node, Event::Subscribed { topic, last });
            }
            Command::Unsubscribe(topic) => {
                let subscribed = self.broker.subscribed.entry(node).or_default();
                subscribed.remove(&name(&topic));
            }
            Command::Publish {
                topic,
                envelope,
                ticket,
            } => {
                let place = match &topic {
                    Topic::Channel(channel) if self.weather.has_history => {
                        Some(self.keep(channel, &envelope))
                    }
                    _ => None,
                };
                for other in 0..NODES {
                    let subscribed = self.broker.subscribed.get(&other);
                    let is_told = subscribed.is_some_and(|all| all.contains(&name(&topic)));
                    // A slow subscriber may miss a publication.
                    if is_told && !(self.is_stormy() && self.chance(5)) {
                        let (topic, envelope) = (topic.clone(), envelope.clone());
                        let came = Event::Came {
                            topic,
                            envelope,
                            place,
                        };
                        self.tell(other, came);
                    }
                }
                self.tell(node, Event::Published { ticket });
            }
            Command::Past {
                channel,
                after,
                most,
                ticket,
            } => {
                let kept = self.broker.kept.get(&channel);
                let entries = kept
                    .into_iter()
                    .flatten()
                    .filter(|(offset, _)| *offset > after);
                let entries: Vec<_> = entries.take(most).cloned().collect();
                let last = self.broker.last.get(&channel).copied().unwrap_or(0);
                let is_whole = match entries.first() {
                    Some((first, _)) => *first == after + 1 || after == 0,
                    None => after >= last,
                };
                let past = Event::Past {
                    ticket,
                    entries,
                    is_whole,
                };
                self.tell(node, past);
            }
        }
    }

    fn keep(&mut self, channel: &Arc<str>, envelope: &Bytes) -> Place {
        let start = self.broker.start;
        let previous = self.broker.last.get(channel).copied().unwrap_or(0);
        let offset = previous.max(start) + 1;
        self.broker.last.insert(Arc::clone(channel), offset);
        let kept = self.broker.kept.entry(Arc::clone(channel)).or_default();
        kept.push_back((offset, envelope.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Place { offset, previous }
    }
}
