//! Brokers that tests start, and nodes that are connected to them.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use polysock::BoxError;
use polysock::bus::{Bus, Command, Event, Link, Place, Topic};
use polysock_test_support::PATIENCE;
use polysock_test_support::peers::Peer;
use polysock_web::bus::{BusSettings, History, open};
use serde_json::Value;
use tokio::time::timeout;

use crate::files::folder;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Redis,
    Nats,
}

pub(crate) const KINDS: [Kind; 2] = [Kind::Redis, Kind::Nats];

/// An empty broker, which runs until this is dropped.
pub(crate) struct Broker {
    pub(crate) process: Peer,
    pub(crate) url: String,
    folder: PathBuf,
}

/// A connection to a broker.
pub(crate) struct Node {
    link: Box<dyn Link>,
    tickets: u64,
    /// Events that arrived while another one was waited for.
    earlier: VecDeque<Event>,
}

/// The history of these tests: this many publications, kept for a minute.
pub(crate) fn history(len: usize) -> Option<History> {
    let age = Duration::from_secs(60);
    Some(History { len, age })
}

pub(crate) fn channel(name: &str) -> Topic {
    Topic::Channel(name.into())
}

impl Broker {
    /// Starts a broker. `None` if it is not installed.
    pub(crate) fn start(kind: Kind, name: &str, options: &[&str]) -> Option<Self> {
        let folder = folder(&format!("bus-{kind:?}-{name}"));
        let path = folder.join(match kind {
            Kind::Redis => "socket",
            Kind::Nats => "",
        });
        let (option, sign) = match kind {
            Kind::Redis => ("--redis", "ready to accept connections"),
            Kind::Nats => ("--nats", "Server is ready"),
        };
        let mut arguments = vec![option, path.to_str().unwrap()];
        arguments.extend(options);
        let mut process = Peer::start_endless(&arguments);
        process.says(sign).then(|| {
            let url = match kind {
                Kind::Redis => format!("redis+unix://{}", path.display()),
                Kind::Nats => nats_url(&folder),
            };
            Self {
                process,
                url,
                folder,
            }
        })
    }

    /// Starts a broker that can keep publications.
    pub(crate) fn start_keeping(kind: Kind, name: &str) -> Option<Self> {
        let options: &[&str] = match kind {
            Kind::Redis => &[],
            Kind::Nats => &["-js"],
        };
        Self::start(kind, name, options)
    }

    pub(crate) fn bus(&self, history: Option<History>) -> Box<dyn Bus> {
        let settings = BusSettings {
            history,
            ..BusSettings::default()
        };
        open(&self.url, &settings).unwrap()
    }

    pub(crate) async fn node(&self, history: Option<History>) -> Node {
        Node::connect(&*self.bus(history)).await.unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.process.signal("KILL");
        fs::remove_dir_all(&self.folder).ok();
    }
}

impl Node {
    pub(crate) async fn connect(bus: &dyn Bus) -> Result<Self, BoxError> {
        let link = timeout(PATIENCE, bus.connect()).await;
        Ok(Self {
            link: link.expect("it connects in time")?,
            tickets: 0,
            earlier: VecDeque::new(),
        })
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.link.command(command);
    }

    /// Waits for the next event of any kind.
    pub(crate) async fn next(&mut self) -> Result<Event, BoxError> {
        if let Some(event) = self.earlier.pop_front() {
            return Ok(event);
        }
        let next = timeout(PATIENCE, self.link.next()).await;
        next.expect("something happens in time")
    }

    /// Returns the next event, if it has already arrived.
    pub(crate) fn ready(&mut self) -> Option<Result<Event, BoxError>> {
        futures_util::FutureExt::now_or_never(self.link.next())
    }

    /// Waits for the next event for which `find` returns a value.
    pub(crate) async fn wait<T>(&mut self, find: impl Fn(&Event) -> Option<T>) -> T {
        let found = |event: &Event| find(event);
        if let Some(index) = self.earlier.iter().position(|event| found(event).is_some()) {
            let event = self.earlier.remove(index).unwrap();
            return found(&event).unwrap();
        }
        loop {
            let next = timeout(PATIENCE, self.link.next()).await;
            let event = next.expect("it happens in time").unwrap();
            match found(&event) {
                Some(found) => return found,
                None => self.earlier.push_back(event),
            }
        }
    }

    /// Subscribes. Returns the offset of the last message before the subscription.
    pub(crate) async fn subscribe(&mut self, wanted: &Topic) -> Option<u64> {
        self.command(Command::Subscribe(wanted.clone()));
        self.wait(|event| match event {
            Event::Subscribed { topic, last } if topic == wanted => Some(*last),
            _ => None,
        })
        .await
    }

    /// Sends a publication. Returns its ticket.
    pub(crate) fn send(&mut self, topic: &Topic, envelope: impl Into<Bytes>) -> u64 {
        self.tickets += 1;
        self.command(Command::Publish {
            topic: topic.clone(),
            envelope: envelope.into(),
            ticket: self.tickets,
        });
        self.tickets
    }

    /// Publishes and waits for the confirmation. The error is the reason of a refusal.
    pub(crate) async fn publish(
        &mut self,
        topic: &Topic,
        envelope: impl Into<Bytes>,
    ) -> Result<(), String> {
        let sent = self.send(topic, envelope);
        self.wait(|event| match event {
            Event::Published { ticket } if *ticket == sent => Some(Ok(())),
            Event::Refused { ticket, reason } if *ticket == sent => Some(Err(reason.clone())),
            _ => None,
        })
        .await
    }

    /// Waits for the next message.
    pub(crate) async fn came(&mut self) -> (Topic, String, Option<Place>) {
        self.wait(|event| match event {
            Event::Came {
                topic,
                envelope,
                place,
            } => {
                let text = String::from_utf8(envelope.to_vec()).unwrap();
                Some((topic.clone(), text, *place))
            }
            _ => None,
        })
        .await
    }

    /// Requests past publications. Returns them, and whether none is missing.
    pub(crate) async fn past(
        &mut self,
        name: &str,
        after: u64,
        most: usize,
    ) -> (Vec<(u64, Bytes)>, bool) {
        self.tickets += 1;
        let asked = self.tickets;
        self.command(Command::Past {
            channel: Arc::from(name),
            after,
            most,
            ticket: asked,
        });
        self.wait(|event| match event {
            Event::Past {
                ticket,
                entries,
                is_whole,
            } if *ticket == asked => Some((entries.clone(), *is_whole)),
            _ => None,
        })
        .await
    }
}

/// Returns the URL of NATS, from the file that it has written.
fn nats_url(folder: &Path) -> String {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let files = fs::read_dir(folder).unwrap().flatten();
        let ports = files.map(|file| file.path()).find(|path| {
            let extension = path.extension();
            extension.is_some_and(|extension| extension == "ports")
        });
        let text = ports.and_then(|path| fs::read(path).ok());
        let ports = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if let Some(ports) = ports {
            return ports["nats"][0].as_str().unwrap().to_owned();
        }
        sleep(Duration::from_millis(10));
    }
    panic!("NATS does not say where it listens");
}
