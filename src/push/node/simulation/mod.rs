//! A simulation of three nodes and a broker, with delays, losses, partitions and restarts drawn
//! from a seed. Without a clock and sockets, a seed always gives the same result.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod broker;
mod checks;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use polysock_protocols::Message;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::broker::Broker;
use super::effect::Effect;
use super::engine::Engine;
use crate::push::bus::{Command, Event};
use crate::push::envelope::{self, NodeId, Origin};
use crate::push::presence::{Attendee, Present};

const SEEDS: u64 = 256;
const NODES: usize = 3;
const CHANNELS: [&str; 2] = ["news", "room 5"];

/// The length of a step, and the number of steps: a minute with failures, and half a minute
/// without.
const STEP: Duration = Duration::from_millis(20);
const STORMY: u32 = 3000;
const CALM: u32 = 1500;

#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    has_history: bool,
    /// Whether the broker loses its history when it restarts.
    forgets: bool,
    forgets_sent: bool,
    takes_again: bool,
}

/// A connection: the commands and events in transit, each with the step of its arrival.
#[derive(Default)]
struct Wire {
    to_broker: VecDeque<(u32, Command)>,
    to_node: VecDeque<(u32, Event)>,
}

struct Member {
    engine: Engine,
    id: NodeId,
    wire: Option<Wire>,
    /// The first step at which the node may reconnect.
    reconnects: u32,
    /// The number of its last publication on each channel.
    published: BTreeMap<&'static str, u64>,
    /// The numbers of the delivered publications in order, by channel and node.
    given: BTreeMap<(Arc<str>, NodeId), Vec<u64>>,
    lost: u64,
    /// The number of gaps of unknown size.
    gaps: u64,
    present: Option<Present>,
}

struct World {
    random: StdRng,
    weather: Weather,
    step: u32,
    nodes: Vec<Member>,
    broker: Broker,
    broker_is_up: bool,
    next_id: u64,
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        let mut world = Self {
            random: StdRng::seed_from_u64(seed),
            weather,
            step: 0,
            nodes: Vec::new(),
            broker: Broker::default(),
            broker_is_up: true,
            next_id: 1,
        };
        for _ in 0..NODES {
            let member = world.born();
            world.nodes.push(member);
        }
        world
    }

    /// Returns a freshly started node.
    fn born(&mut self) -> Member {
        let id = NodeId(self.next_id);
        self.next_id += 1;
        let mut engine = Engine::new(id, self.weather.has_history);
        engine.forgets_sent = self.weather.forgets_sent;
        engine.takes_again = self.weather.takes_again;
        for channel in CHANNELS {
            engine.want(channel.into(), true, self.now());
        }
        Member {
            engine,
            id,
            wire: None,
            reconnects: self.step,
            published: BTreeMap::new(),
            given: BTreeMap::new(),
            lost: 0,
            gaps: 0,
            present: None,
        }
    }

    fn now(&self) -> Duration {
        STEP * self.step
    }

    fn is_stormy(&self) -> bool {
        self.step < STORMY
    }

    fn chance(&mut self, of_a_thousand: u32) -> bool {
        self.random.random_range(0..1000) < of_a_thousand
    }

    /// Draws the arrival of something sent now, not before `behind`.
    fn arrival(&mut self, behind: Option<u32>) -> u32 {
        let delay = match self.random.random_range(0..20) {
            0 => self.random.random_range(0..25),
            _ => self.random.random_range(0..3),
        };
        (self.step + delay).max(behind.unwrap_or(0))
    }

    fn run(&mut self) {
        for _ in 0..STORMY {
            self.storm();
            self.advance();
        }
        self.broker_is_up = true;
        for _ in 0..CALM {
            self.advance();
        }
        // A loss at the end is only noticed with a later publication.
        for node in 0..NODES {
            CHANNELS
                .iter()
                .for_each(|channel| self.publish(node, channel));
        }
        (0..CALM).for_each(|_| self.advance());
    }

    /// Makes random publications and failures.
    fn storm(&mut self) {
        let node = self.random.random_range(0..NODES);
        if self.chance(300) {
            let channel = CHANNELS[self.random.random_range(0..CHANNELS.len())];
            self.publish(node, channel);
        }
        if self.chance(4) {
            self.cut(node);
        }
        if self.chance(1) {
            // The node is killed: its successor starts without state.
            self.cut(node);
            self.nodes[node] = self.born();
        }
        if self.broker_is_up && self.chance(2) {
            self.broker_is_up = false;
            (0..NODES).for_each(|node| self.cut(node));
            if self.weather.forgets {
                self.broker.forget();
            }
        } else if !self.broker_is_up && self.chance(20) {
            self.broker_is_up = true;
        }
    }

    fn publish(&mut self, node: usize, channel: &'static str) {
        let member = &mut self.nodes[node];
        let last = member.published.entry(channel).or_default();
        *last += 1;
        let origin = Origin {
            node: member.id,
            number: *last,
            is_first: *last == 1,
        };
        let message = Message::text(format!("{channel} {last}"));
        let envelope = envelope::write(origin, &message.into());
        member.engine.publish(channel.into(), envelope);
        self.act(node);
    }

    /// Breaks the connection of a node. A part of the commands in transit still arrives.
    fn cut(&mut self, node: usize) {
        let Some(mut wire) = self.nodes[node].wire.take() else {
            return;
        };
        let some = self.random.random_range(0..=wire.to_broker.len());
        if self.broker_is_up {
            for (_, command) in wire.to_broker.drain(..some) {
                self.broker_does(node, command);
            }
        }
        self.broker.subscribed.remove(&node);
        let pause = self.random.random_range(5..100);
        let member = &mut self.nodes[node];
        member.reconnects = self.step + pause;
        member.engine.down();
        self.act(node);
    }

    fn advance(&mut self) {
        self.step += 1;
        let now = self.now();
        for node in 0..NODES {
            if self.nodes[node].wire.is_none()
                && self.broker_is_up
                && self.step >= self.nodes[node].reconnects
            {
                self.nodes[node].wire = Some(Wire::default());
                self.nodes[node].engine.up(now);
                self.act(node);
            }
            while let Some(command) = self.due(node) {
                self.broker_does(node, command);
            }
            while let Some(event) = self.nodes[node].wire.as_mut().and_then(|wire| {
                let (at, _) = wire.to_node.front()?;
                (*at <= self.step).then(|| wire.to_node.pop_front())?
            }) {
                self.nodes[node].engine.event(event.1, now);
                self.act(node);
            }
            self.nodes[node].engine.tick(now);
            self.act(node);
        }
    }

    fn due(&mut self, node: usize) -> Option<Command> {
        let wire = self.nodes[node].wire.as_mut()?;
        let (at, _) = wire.to_broker.front()?;
        (*at <= self.step)
            .then(|| wire.to_broker.pop_front())?
            .map(|one| one.1)
    }

    fn tell(&mut self, node: usize, event: Event) {
        let behind = self.nodes[node].wire.as_ref().map(|wire| {
            let last = wire.to_node.back();
            last.map(|(at, _)| *at)
        });
        let Some(behind) = behind else { return };
        let at = self.arrival(behind);
        if let Some(wire) = &mut self.nodes[node].wire {
            wire.to_node.push_back((at, event));
        }
    }

    /// Carries out the effects of a node's engine.
    fn act(&mut self, node: usize) {
        while let Some(effect) = self.nodes[node].engine.effects.pop_front() {
            let member = &mut self.nodes[node];
            match effect {
                Effect::Command(command) => {
                    let behind = member.wire.as_ref().and_then(|wire| wire.to_broker.back());
                    let behind = behind.map(|(at, _)| *at);
                    let at = self.arrival(behind);
                    if let Some(wire) = &mut self.nodes[node].wire {
                        wire.to_broker.push_back((at, command));
                    }
                }
                Effect::Deliver {
                    channel,
                    origin: Some(origin),
                    ..
                } => {
                    assert_ne!(origin.node, member.id, "its own");
                    let given = member.given.entry((channel, origin.node)).or_default();
                    given.push(origin.number);
                }
                Effect::Gap { lost, .. } => match lost {
                    Some(lost) => member.lost += lost,
                    None => member.gaps += 1,
                },
                Effect::Who { ask, .. } => {
                    let here = here(member.id);
                    member.engine.here(ask, &here);
                }
                Effect::Present { present, .. } => member.present = Some(present),
                Effect::Trouble { problem, .. } => panic!("{problem}"),
                Effect::Deliver { origin: None, .. }
                | Effect::Begun { .. }
                | Effect::Placed { .. }
                | Effect::Past { .. } => {}
            }
        }
    }
}

fn here(node: NodeId) -> Present {
    let attendee = Attendee {
        id: node.0.to_string(),
        user: None,
    };
    Present {
        count: 1,
        attendees: vec![attendee],
        ..Present::default()
    }
}

fn weathers() -> [Weather; 3] {
    [(false, false), (true, false), (true, true)].map(|(has_history, forgets)| Weather {
        has_history,
        forgets,
        ..Weather::default()
    })
}

#[test]
fn nodes_get_all_publications_once_in_order_or_count_the_missing() {
    for seed in 0..SEEDS {
        for weather in weathers() {
            let mut world = World::new(seed, weather);
            world.run();
            if let Err(problem) = world.check() {
                panic!("seed {seed}, {weather:?}: {problem}");
            }
            let gaps: u64 = world.nodes.iter().map(|member| member.gaps).sum();
            let lost: u64 = world.nodes.iter().map(|member| member.lost).sum();
            if weather.has_history && !weather.forgets {
                // With a lasting history nothing may be lost, whatever fails.
                assert_eq!((gaps, lost), (0, 0), "seed {seed}, {weather:?}");
            }
            if seed % 16 == 0 {
                world.check_presence();
            }
        }
    }
}

/// Verifies that the checks can fail.
#[test]
fn the_simulation_finds_planted_faults() {
    for plant in [
        |weather: &mut Weather| weather.takes_again = true,
        |weather: &mut Weather| weather.forgets_sent = true,
    ] {
        let mut weather = Weather {
            has_history: true,
            ..Weather::default()
        };
        plant(&mut weather);
        let is_found = |seed| {
            let mut world = World::new(seed, weather);
            world.run();
            let lost: u64 = world.nodes.iter().map(|member| member.lost).sum();
            world.check().is_err() || lost > 0
        };
        assert!((0..SEEDS).any(is_found), "{weather:?}");
    }
}
