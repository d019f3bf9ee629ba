//! One connection to Redis.

use std::collections::{HashMap, VecDeque};

use futures_core::future::BoxFuture;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use polysock::BoxError;
use polysock::bus::{Command, Event, Link};
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisError, RedisResult, Value};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::unconstrained;

use super::answers::{Question, events};
use super::batch::{Batch, Names};
use super::limit::Limit;
use crate::bus::liveness::{Liveness, Silent};

/// The most batches in flight: enough that the next batch arrives before the last is answered, and
/// few enough that batches grow under load.
const MOST_BATCHES: usize = 8;

/// The most messages that are taken from the connection together.
const MOST_TAKEN: usize = 256;

/// One connection to Redis: the answers, in the order of the questions, and the published messages.
pub(super) struct RedisLink {
    connection: MultiplexedConnection,
    names: Names,
    limit: Limit,
    waiting: VecDeque<Command>,
    asked: FuturesOrdered<BoxFuture<'static, Answered>>,
    pushes: mpsc::Receiver<PushInfo>,
    taken: Vec<PushInfo>,
    /// Messages of topics whose subscription has not been reported yet, by subject.
    early: HashMap<String, Vec<Event>>,
    events: VecDeque<Event>,
    liveness: Liveness,
}

type Answered = (Vec<Question>, RedisResult<Vec<Value>>);

#[derive(Debug, Error)]
enum LinkError {
    #[error("Redis: {0}")]
    Redis(RedisError),
    #[error("Redis closed the connection")]
    Closed,
    #[error("too many messages of Redis wait for too long")]
    Late,
}

/// An input of the link.
enum Input {
    Answered(Answered),
    Came,
    IsQuiet(Result<(), Silent>),
}

impl RedisLink {
    pub(super) fn new(
        connection: MultiplexedConnection,
        pushes: mpsc::Receiver<PushInfo>,
        names: Names,
        limit: Limit,
    ) -> Self {
        Self {
            connection,
            names,
            limit,
            waiting: VecDeque::new(),
            asked: FuturesOrdered::new(),
            pushes,
            taken: Vec::new(),
            early: HashMap::new(),
            events: VecDeque::new(),
            liveness: Liveness::new(),
        }
    }

    /// Keeps all state in the link, so that the future can be dropped at any time.
    async fn step(&mut self) -> Result<Event, BoxError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            while !self.waiting.is_empty() && self.asked.len() < MOST_BATCHES {
                self.ask();
            }
            match self.news().await {
                Input::Answered((questions, answers)) => {
                    self.liveness.reset();
                    for event in events(questions, answers.map_err(LinkError::Redis)?)? {
                        self.answered(event);
                    }
                }
                Input::Came => {
                    self.liveness.reset();
                    self.came()?;
                }
                Input::IsQuiet(is_quiet) => {
                    is_quiet?;
                    let mut batch = Batch::default();
                    batch.ask_whether_it_is_there();
                    self.send(batch);
                }
            }
        }
    }

    async fn news(&mut self) -> Input {
        let is_asked = !self.asked.is_empty();
        let heard = async {
            // Without `biased`, so that neither branch starves the other.
            tokio::select! {
                Some(answered) = self.asked.next() => Input::Answered(answered),
                _ = self.pushes.recv_many(&mut self.taken, MOST_TAKEN) => Input::Came,
            }
        };
        tokio::select! {
            biased;
            news = heard => news,
            is_quiet = self.liveness.is_due(is_asked) => Input::IsQuiet(is_quiet),
        }
    }

    /// Sends a batch of waiting commands.
    fn ask(&mut self) {
        let mut batch = Batch::default();
        while !batch.is_full()
            && let Some(command) = self.waiting.pop_front()
        {
            batch.add(&self.names, command);
        }
        self.send(batch);
    }

    fn send(&mut self, batch: Batch) {
        if self.asked.is_empty() {
            self.liveness.reset();
        }
        let mut connection = self.connection.clone();
        let asking = async move {
            let Batch {
                commands,
                questions,
                ..
            } = batch;
            let count = commands.len();
            let answers = connection.send_packed_commands(&commands, 0, count).await;
            (questions, answers)
        };
        // The first poll of each future puts its batch into the connection's queue, so batches stay
        // in order: the queue has room for more batches than can be in flight, and `unconstrained`
        // keeps tokio's budget from delaying a poll.
        self.asked.push_back(Box::pin(unconstrained(asking)));
    }

    fn answered(&mut self, event: Event) {
        let early = match &event {
            Event::Subscribed { topic, .. } => self.early.remove(&self.names.subject(topic)),
            _ => None,
        };
        self.events.push_back(event);
        self.events.extend(early.into_iter().flatten());
    }

    fn came(&mut self) -> Result<(), LinkError> {
        if self.taken.is_empty() {
            return Err(LinkError::Late);
        }
        for PushInfo { kind, data } in self.taken.drain(..) {
            let mut data = data.into_iter();
            // A message that matches a pattern has the pattern in front.
            let pattern = (kind == PushKind::PMessage).then(|| data.next()).flatten();
            let (subject, message) = match (kind, data.next(), data.next()) {
                (PushKind::Disconnection, ..) => return Err(LinkError::Closed),
                (_, Some(Value::BulkString(subject)), Some(Value::BulkString(message))) => {
                    (subject, message)
                }
                _ => continue,
            };
            let Some(event) = self.names.came(&subject, message) else {
                continue;
            };
            let by = match &pattern {
                Some(Value::BulkString(pattern)) => pattern,
                _ => &subject,
            };
            let by = str::from_utf8(by).unwrap_or_default();
            match self.early.get_mut(by) {
                Some(early) => early.push(event),
                None => self.events.push_back(event),
            }
        }
        Ok(())
    }
}

impl Link for RedisLink {
    fn command(&mut self, command: Command) {
        match &command {
            Command::Publish {
                envelope, ticket, ..
            } => {
                if let Some(reason) = self.limit.refuses(envelope.len()) {
                    let ticket = *ticket;
                    self.events.push_back(Event::Refused { ticket, reason });
                    return;
                }
            }
            Command::Past { ticket, .. } if !self.names.has_history() => {
                self.events.push_back(Event::Past {
                    ticket: *ticket,
                    entries: Vec::new(),
                    is_whole: false,
                });
                return;
            }
            Command::Subscribe(topic) if !self.names.has(topic) => {
                let topic = topic.clone();
                self.events
                    .push_back(Event::Subscribed { topic, last: None });
                return;
            }
            Command::Unsubscribe(topic) if !self.names.has(topic) => return,
            Command::Subscribe(topic) => {
                self.early.entry(self.names.subject(topic)).or_default();
            }
            Command::Unsubscribe(_) | Command::Past { .. } => {}
        }
        self.waiting.push_back(command);
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Event, BoxError>> {
        Box::pin(self.step())
    }
}
