//! One connection to NATS.

use std::collections::{HashMap, VecDeque};
use std::mem;

use async_nats::{Client, Event as Happened, Message, StatusCode, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, TakeUntil};
use polysock::BoxError;
use polysock::bus::{Command, Event, Link, Topic};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::api::{acknowledgement, answer, number};
use super::error::LinkError;
use super::limits::{fits, forbidden_subject, is_subject, refuses};
use super::past::Pasts;
use super::stream::StreamInfo;
use super::subscriptions::{State, Subscription, send};
use super::work::{Op, ReplyTo, Work};
use crate::bus::liveness::{Liveness, Silent};
use crate::bus::settings::Prefix;
use crate::bus::subjects::Subjects;

/// The most echoes in flight. Each new one confirms all that was sent since the one before.
const MOST_ECHOES: usize = 4;

/// One connection to NATS: its subscriptions, and the requests that are open on it.
pub(super) struct NatsLink {
    client: Client,
    happened: mpsc::UnboundedReceiver<Happened>,
    subjects: Subjects,
    kept: Option<StreamInfo>,
    work: Work,
    /// All received messages: of the subscriptions and of the inbox for answers.
    came: SelectAll<TakeUntil<Subscriber, oneshot::Receiver<()>>>,
    /// Keeps the inbox in `came`: dropping it ends the inbox.
    _inbox: oneshot::Sender<()>,
    subscriptions: HashMap<Topic, Subscription>,
    /// The number of subscriptions that were ever made.
    subscribed: u64,
    /// The operations that the next echoes confirm, in the order of sending.
    to_confirm: VecDeque<Done>,
    /// For each echo in flight, how many of `to_confirm` it confirms.
    echoes: VecDeque<usize>,
    /// How many of `to_confirm` were sent after the last echo.
    behind: usize,
    /// The subscriptions for which the last sequence number has been requested.
    lasts: HashMap<u64, Topic>,
    pasts: Pasts,
    /// The number of publications that JetStream has not yet acknowledged.
    unacknowledged: usize,
    /// The sequence number that JetStream acknowledged last.
    newest: u64,
    events: VecDeque<Event>,
    server: Liveness,
    /// The liveness of JetStream, which can be unavailable while the server is reachable.
    stream: Liveness,
    /// The runtime, which the subscribers need when they are dropped.
    handle: Handle,
}

enum Done {
    Subscribed(Topic, u64),
    Published(u64),
}

/// An input of the link.
enum Input {
    Happened(Option<Happened>),
    Sent(Result<(), BoxError>),
    Came(Message),
    IsQuiet(Result<(), Silent>),
}

impl NatsLink {
    pub(super) async fn new(
        client: Client,
        happened: mpsc::UnboundedReceiver<Happened>,
        prefix: &Prefix,
        kept: Option<StreamInfo>,
    ) -> Result<Self, SubscribeError> {
        let work = Work::new(client.new_inbox());
        let answers = client.subscribe(work.answers()).await?;
        let (inbox, stopped) = oneshot::channel();
        let mut came = SelectAll::new();
        came.push(answers.take_until(stopped));
        Ok(Self {
            client,
            happened,
            subjects: Subjects::new(prefix),
            kept,
            work,
            came,
            subscriptions: HashMap::new(),
            _inbox: inbox,
            subscribed: 0,
            to_confirm: VecDeque::new(),
            echoes: VecDeque::new(),
            behind: 0,
            lasts: HashMap::new(),
            pasts: Pasts::default(),
            unacknowledged: 0,
            newest: 0,
            events: VecDeque::new(),
            server: Liveness::new(),
            stream: Liveness::new(),
            handle: Handle::current(),
        })
    }

    /// Keeps all state in the link, so that the future can be dropped at any time.
    async fn step(&mut self) -> Result<Event, BoxError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if self.behind > 0 && self.echoes.len() < MOST_ECHOES {
                self.echo();
            }
            match self.news().await {
                Input::Happened(happened) => self.happened(happened)?,
                Input::Sent(sent) => sent?,
                Input::Came(message) => {
                    self.server.reset();
                    let about = self.work.about(&message.subject);
                    match about.or_else(|| self.pasts.about(&message)) {
                        Some(about) => self.answered(about, message)?,
                        None => self.came(message),
                    }
                }
                Input::IsQuiet(is_quiet) => {
                    is_quiet?;
                    self.echo();
                }
            }
        }
    }

    async fn news(&mut self) -> Input {
        let is_asked = !self.echoes.is_empty();
        let is_stream_asked = self.is_stream_asked();
        let sending = send(&self.client, &mut self.work.ops, &mut self.subscriptions);
        let heard = async {
            // Without `biased`, so that neither branch starves the other.
            tokio::select! {
                sent = sending => Input::Sent(sent),
                Some(message) = self.came.next() => Input::Came(message),
            }
        };
        tokio::select! {
            biased;
            happened = self.happened.recv() => Input::Happened(happened),
            news = heard => news,
            is_quiet = self.server.is_due(is_asked) => Input::IsQuiet(is_quiet),
            is_quiet = self.stream.is_due(true), if is_stream_asked => Input::IsQuiet(is_quiet),
        }
    }

    /// Whether JetStream owes an answer.
    fn is_stream_asked(&self) -> bool {
        self.unacknowledged > 0 || !self.lasts.is_empty() || !self.pasts.is_empty()
    }

    fn echo(&mut self) {
        if self.echoes.is_empty() {
            self.server.reset();
        }
        self.work.echo();
        self.echoes.push_back(mem::take(&mut self.behind));
    }

    fn happened(&self, happened: Option<Happened>) -> Result<(), LinkError> {
        match happened {
            None | Some(Happened::Disconnected | Happened::Closed) => Err(LinkError::Closed),
            Some(Happened::SlowConsumer(_)) => Err(LinkError::Late),
            // A client without permission for the bare subjects still receives what nodes publish.
            Some(Happened::ServerError(error)) if self.forbids_bare(&error.to_string()) => Ok(()),
            Some(Happened::ServerError(error)) => Err(LinkError::Server(error)),
            Some(
                Happened::Connected
                | Happened::LameDuckMode
                | Happened::Draining
                | Happened::ClientError(_),
            ) => Ok(()),
        }
    }

    /// Whether the error says that NATS forbids a subscription to a bare name.
    fn forbids_bare(&self, error: &str) -> bool {
        let subject = forbidden_subject(error);
        subject.is_some_and(|subject| self.subjects.has(&Topic::Bare(subject.into())))
    }

    fn answered(&mut self, about: ReplyTo, message: Message) -> Result<(), LinkError> {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(LinkError::NoJetStream);
        }
        if about != ReplyTo::Echo {
            self.stream.reset();
        }
        match about {
            ReplyTo::Echo => {
                let confirmed = self.echoes.pop_front().unwrap_or(0);
                for _ in 0..confirmed {
                    match self.to_confirm.pop_front() {
                        Some(Done::Published(ticket)) => {
                            self.events.push_back(Event::Published { ticket });
                        }
                        Some(Done::Subscribed(topic, number)) => {
                            self.is_subscribed(topic, number, None);
                        }
                        None => {}
                    }
                }
            }
            ReplyTo::Published(ticket) => {
                self.unacknowledged = self.unacknowledged.saturating_sub(1);
                self.events
                    .push_back(match acknowledgement(&message.payload) {
                        // A stream that was created anew counts from 1 again.
                        Ok(number) if number <= self.newest => return Err(LinkError::OtherStream),
                        Ok(number) => {
                            self.newest = number;
                            Event::Published { ticket }
                        }
                        Err(error) if error.is_for_a_while() => return Err(error.into()),
                        Err(error) => Event::Refused {
                            ticket,
                            reason: format!("JetStream: {error}"),
                        },
                    });
            }
            ReplyTo::Last(subscription) => {
                let last = match answer(&message.payload) {
                    Ok(answer) => number(&answer, "/message/seq"),
                    Err(error) if error.is_for_a_while() => return Err(error.into()),
                    // The channel has no message.
                    Err(_) => 0,
                };
                let last = self.kept.as_ref().map(|kept| kept.offset(last));
                if let Some(topic) = self.lasts.remove(&subscription) {
                    self.is_subscribed(topic, subscription, last.filter(|last| *last > 0));
                }
            }
            ReplyTo::Reader(ticket)
            | ReplyTo::Message(ticket)
            | ReplyTo::After(ticket)
            | ReplyTo::Stream(ticket) => {
                if let Some(kept) = &self.kept {
                    let about = (about, ticket);
                    let event = self.pasts.answered(kept, &mut self.work, about, message);
                    self.events.extend(event);
                }
            }
        }
        Ok(())
    }

    fn is_subscribed(&mut self, topic: Topic, number: u64, last: Option<u64>) {
        if let Some(subscription) = self.subscriptions.get_mut(&topic)
            && subscription.number == number
        {
            let (stop, stopped) = oneshot::channel();
            let there = State::There { _stop: stop };
            if let State::Sent(subscriber) = mem::replace(&mut subscription.state, there) {
                self.came.push(subscriber.take_until(stopped));
            }
        }
        self.events.push_back(Event::Subscribed { topic, last });
    }

    fn came(&mut self, message: Message) {
        let Some(topic) = self.subjects.topic(&message.subject) else {
            return;
        };
        let kept = self.kept.as_ref();
        let place = kept.and_then(|kept| kept.place(message.headers.as_ref()));
        self.events.push_back(Event::Came {
            topic,
            envelope: message.payload,
            place,
        });
    }

    fn subscribe(&mut self, topic: Topic) {
        let subject = self.subjects.subject(&topic);
        let is_odd = matches!(&topic, Topic::Bare(name) if !is_subject(name));
        if is_odd || !self.subjects.has(&topic) || !fits(&subject) {
            // Nobody can publish on such a subject, so no message will arrive.
            self.events
                .push_back(Event::Subscribed { topic, last: None });
            return;
        }
        self.subscribed += 1;
        let number = self.subscribed;
        let subscription = Subscription {
            number,
            state: State::Asked,
        };
        self.subscriptions.insert(topic.clone(), subscription);
        self.work.ops.push_back(Op::Subscribe {
            subject: subject.into(),
            topic: topic.clone(),
            number,
        });
        match (&self.kept, &topic) {
            (Some(kept), Topic::Channel(name)) => {
                let question = json!({ "last_by_subj": kept.subject(name) });
                let subject = kept.api("STREAM.MSG.GET");
                self.work
                    .ask_json(subject, &question, ReplyTo::Last(number));
                self.lasts.insert(number, topic);
            }
            _ => self.confirm(Done::Subscribed(topic, number)),
        }
    }

    fn publish(&mut self, topic: &Topic, envelope: Bytes, ticket: u64) {
        let subject = self.subjects.subject(topic);
        if let Some(reason) = refuses(self.client.max_payload(), &subject, envelope.len()) {
            self.events.push_back(Event::Refused { ticket, reason });
            return;
        }
        match (&self.kept, topic) {
            (Some(kept), Topic::Channel(name)) => {
                let subject = kept.subject(name);
                self.work.ask(subject, envelope, ReplyTo::Published(ticket));
                self.unacknowledged += 1;
            }
            _ => {
                self.work.tell(subject, envelope);
                self.confirm(Done::Published(ticket));
            }
        }
    }

    fn confirm(&mut self, done: Done) {
        self.to_confirm.push_back(done);
        self.behind += 1;
    }

    fn past(&mut self, channel: &str, after: u64, most: usize, ticket: u64) {
        let topic = Topic::Channel(channel.into());
        let is_short = fits(&self.subjects.subject(&topic));
        match &self.kept {
            Some(kept) if is_short => {
                let what = (after, most, ticket);
                self.pasts.begin(kept, &mut self.work, channel, what);
            }
            kept => self.events.push_back(Event::Past {
                ticket,
                entries: Vec::new(),
                // Nothing can have been published if the name is too long.
                is_whole: kept.is_some(),
            }),
        }
    }
}

impl Link for NatsLink {
    fn command(&mut self, command: Command) {
        if !self.is_stream_asked() {
            self.stream.reset();
        }
        match command {
            Command::Subscribe(topic) => self.subscribe(topic),
            Command::Unsubscribe(topic) => {
                self.subscriptions.remove(&topic);
            }
            Command::Publish {
                topic,
                envelope,
                ticket,
            } => self.publish(&topic, envelope, ticket),
            Command::Past {
                channel,
                after,
                most,
                ticket,
            } => self.past(&channel, after, most, ticket),
        }
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Event, BoxError>> {
        Box::pin(self.step())
    }
}

impl Drop for NatsLink {
    /// Enters the runtime, since each dropped subscriber spawns a task to unsubscribe.
    fn drop(&mut self) {
        let _guard = self.handle.enter();
        self.came.clear();
        self.subscriptions.clear();
    }
}
