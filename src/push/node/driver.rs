//! The task of a node, which owns the clock and the connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

use super::effect::Effect;
use super::engine::Engine;
use super::state::NodeWatch;
use crate::error::BoxError;
use crate::push::bus::{Bus, Event, Link};
use crate::push::channels::Channels;
use crate::push::delivery::Delivery;
use crate::push::envelope::NodeId;
use crate::push::outlet::{Input, Past};
use crate::push::presence::Present;

/// The interval between two ticks of the engine.
const TICK: Duration = Duration::from_millis(250);

/// The timeout of an attempt to connect.
const CONNECT: Duration = Duration::from_secs(5);

/// The pause before the next attempt to connect: the first, and the longest. Short, since
/// publications that wait meanwhile are not lost.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The maximum number of inputs taken together.
const BATCH: usize = 256;

/// The maximum time that this node, when it ends, waits for the broker to confirm its publications.
const GOODBYE: Duration = Duration::from_millis(500);

/// The state of the connection to the broker.
enum Reach {
    Connecting(BoxFuture<'static, Result<Box<dyn Link>, BoxError>>),
    Connected(Box<dyn Link>),
}

/// The next event for the task.
enum Happening {
    Inputs,
    Connected(Result<Box<dyn Link>, BoxError>),
    Event(Result<Event, BoxError>),
    Tick,
    End,
}

pub(super) struct Driver {
    engine: Engine,
    channels: Channels,
    watch: NodeWatch,
    started: Instant,
    next_ask: u64,
    /// The requesters that wait for an answer, by the number of their request.
    whos: HashMap<u64, oneshot::Sender<Present>>,
    pasts: HashMap<u64, oneshot::Sender<Past>>,
}

impl Driver {
    pub(super) fn new(me: NodeId, has_history: bool, channels: Channels, watch: NodeWatch) -> Self {
        Self {
            engine: Engine::new(me, has_history),
            channels,
            watch,
            started: Instant::now(),
            // The random id as the start keeps the numbers of different nodes apart.
            next_ask: me.0,
            whos: HashMap::new(),
            pasts: HashMap::new(),
        }
    }

    pub(super) async fn run(
        mut self,
        bus: Arc<dyn Bus>,
        mut coming: mpsc::UnboundedReceiver<Input>,
        mut end: oneshot::Receiver<()>,
    ) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reach = Reach::Connecting(connect(&bus, Duration::ZERO));
        let mut pause = FIRST_PAUSE;
        let mut inputs = Vec::new();
        loop {
            let reached = async {
                match &mut reach {
                    Reach::Connecting(connecting) => Happening::Connected(connecting.await),
                    Reach::Connected(link) => Happening::Event(link.next().await),
                }
            };
            let happening = tokio::select! {
                // `select!` chooses randomly among ready branches, so neither inputs nor events
                // starve.
                count = coming.recv_many(&mut inputs, BATCH) => match count {
                    0 => Happening::End,
                    _ => Happening::Inputs,
                },
                happening = reached => happening,
                _ = tick.tick() => Happening::Tick,
                _ = &mut end => Happening::End,
            };
            let now = self.started.elapsed();
            let mut broken = None;
            match happening {
                Happening::Inputs => inputs.drain(..).for_each(|input| self.input(input, now)),
                Happening::Connected(Ok(link)) => {
                    info!("connected to the bus");
                    reach = Reach::Connected(link);
                    pause = FIRST_PAUSE;
                    self.engine.up(now);
                }
                Happening::Connected(Err(error)) => broken = Some(error),
                Happening::Event(Ok(event)) => self.engine.event(event, now),
                Happening::Event(Err(error)) => {
                    self.engine.down();
                    broken = Some(error);
                }
                Happening::Tick => self.engine.tick(now),
                Happening::End => break,
            }
            if let Some(error) = broken {
                self.told_broken(&error);
                reach = Reach::Connecting(connect(&bus, pause));
                pause = LONGEST_PAUSE.min(pause * 2);
            }
            self.act(&mut reach);
        }
        if let Reach::Connected(link) = &mut reach {
            while let Ok(input) = coming.try_recv() {
                self.input(input, self.started.elapsed());
            }
            self.engine.leave();
            while let Some(effect) = self.engine.effects.pop_front() {
                if let Effect::Command(command) = effect {
                    link.command(command);
                }
            }
            let engine = &mut self.engine;
            let sending = async {
                while engine.is_sending()
                    && let Ok(event) = link.next().await
                {
                    engine.event(event, Duration::ZERO);
                }
            };
            // Publications that were not confirmed by then are lost.
            let _ = timeout(GOODBYE, sending).await;
        }
    }

    fn input(&mut self, input: Input, now: Duration) {
        match input {
            Input::Publish { channel, envelope } => self.engine.publish(channel, envelope),
            Input::Want { channel, is_wanted } => self.engine.want(channel, is_wanted, now),
            Input::WantAll { is_wanted } => self.engine.want_all(is_wanted),
            Input::Who {
                channel,
                here,
                answer,
            } => {
                let ask = self.ask();
                self.whos.insert(ask, answer);
                self.engine.who(ask, &channel, here, now);
            }
            Input::Past {
                channel,
                after,
                answer,
            } => {
                let ask = self.ask();
                self.pasts.insert(ask, answer);
                self.engine.past(ask, channel, after);
            }
        }
    }

    fn ask(&mut self) -> u64 {
        self.next_ask = self.next_ask.wrapping_add(1);
        self.next_ask
    }

    /// Carries out the effects of the engine.
    fn act(&mut self, reach: &mut Reach) {
        while let Some(effect) = self.engine.effects.pop_front() {
            match effect {
                Effect::Command(command) => {
                    if let Reach::Connected(link) = reach {
                        link.command(command);
                    }
                }
                Effect::Deliver {
                    channel,
                    origin,
                    publication,
                    offset,
                } => {
                    let delivery = Delivery {
                        publication: *publication,
                        origin,
                        offset,
                    };
                    self.channels.deliver(&channel, delivery);
                }
                Effect::Placed {
                    channel,
                    number,
                    offset,
                } => {
                    self.channels
                        .look(&channel, |channel| channel.place(number, offset));
                }
                Effect::Begun { channel, offset } => {
                    self.channels
                        .look(&channel, |channel| channel.begin(offset));
                }
                Effect::Gap { channel, lost } => {
                    warn!(
                        %channel,
                        lost,
                        "publications of other nodes are missing"
                    );
                    self.channels.gap(&channel, lost);
                }
                Effect::Past { ask, past } => {
                    // Without a past the sender is dropped, which ends the wait of the requester.
                    if let (Some(answer), Some(past)) = (self.pasts.remove(&ask), past) {
                        let _ = answer.send(past);
                    }
                }
                Effect::Who { ask, channel } => {
                    let here = self.channels.here(&channel);
                    self.engine.here(ask, &here);
                }
                Effect::Present { ask, present } => {
                    if let Some(answer) = self.whos.remove(&ask) {
                        let _ = answer.send(present);
                    }
                }
                Effect::Trouble { channel, problem } => warn!(%channel, "{problem}"),
            }
        }
        let mut state = self.watch.lock();
        state.is_connected = matches!(reach, Reach::Connected(_));
        if state.is_connected {
            state.problem = None;
        }
        state.others = self.engine.peers.len();
        state.tally = self.engine.tally;
    }

    fn told_broken(&self, error: &BoxError) {
        let mut state = self.watch.lock();
        let problem = error.to_string();
        // A repeated problem is logged once.
        if state.problem.as_ref() != Some(&problem) {
            warn!(%error, "the bus cannot be reached: retrying, and publications of this node wait");
            state.problem = Some(problem);
        }
    }
}

/// Connects after a pause.
fn connect(
    bus: &Arc<dyn Bus>,
    pause: Duration,
) -> BoxFuture<'static, Result<Box<dyn Link>, BoxError>> {
    let bus = Arc::clone(bus);
    Box::pin(async move {
        sleep(pause).await;
        match timeout(CONNECT, bus.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err("the broker does not answer within 5 seconds".into()),
        }
    })
}
