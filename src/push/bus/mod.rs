//! The interface to a broker between nodes, implemented for NATS, Redis and others.
//!
//! ```text
//!   local   a broker within a process
//! ```

mod local;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;

pub use self::local::Local;
use crate::error::BoxError;

/// A broker that several nodes share, and that forwards publications from each node to the others.
/// The [`Node`](crate::Node) connects to it, and reconnects after a connection has broken.
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Connects to the broker. Dropping the future cancels the attempt.
    fn connect(&self) -> BoxFuture<'static, Result<Box<dyn Link>, BoxError>>;

    /// Returns true if the broker keeps publications: each then has a [`Place`], and can be
    /// requested later.
    fn has_history(&self) -> bool;
}

/// A connection to a broker, until it breaks.
///
/// The broker keeps the order of the publications of one connection on one topic. Each publication
/// on a subscribed topic is delivered once, including the connection's own.
pub trait Link: Send {
    /// Sends a command. Never blocks; the outcome is an [`Event`].
    fn command(&mut self, command: Command);

    /// Returns the next event. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// The connection has ended. Unconfirmed publications may or may not have reached the broker.
    fn next(&mut self) -> BoxFuture<'_, Result<Event, BoxError>>;
}

/// A topic to subscribe to or to publish on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A channel, by its name: any text, including blanks and characters that the broker's own
    /// names may not contain.
    Channel(Arc<str>),
    /// All channels. Nothing is published on this topic itself.
    Channels,
    /// Publications made at the broker by other means than a node, under the plain name of a
    /// channel: texts and bytes, not envelopes. No messages arrive if the broker does not have or
    /// allow such a name.
    Bare(Arc<str>),
    /// The letters that nodes exchange, which are never kept.
    Nodes,
}

/// A command for a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Subscribe to a topic from now on. Results in [`Event::Subscribed`].
    Subscribe(Topic),
    /// End the subscription to a topic.
    Unsubscribe(Topic),
    /// Publish. Results in [`Event::Published`] or [`Event::Refused`].
    Publish {
        /// The topic: a channel or the nodes.
        topic: Topic,
        /// The encoded publication.
        envelope: Bytes,
        /// The number that identifies the resulting event.
        ticket: u64,
    },
    /// Return past publications of a channel. Results in [`Event::Past`].
    Past {
        /// The channel.
        channel: Arc<str>,
        /// The offset of the last known publication, after which to begin.
        after: u64,
        /// The maximum number of publications, oldest first.
        most: usize,
        /// The number that identifies the resulting event.
        ticket: u64,
    },
}

/// An event from a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The subscription to a topic is confirmed: its publications arrive from now on.
    Subscribed {
        /// The topic.
        topic: Topic,
        /// The offset of the last publication on it. `None` if there is none, or none is kept.
        last: Option<u64>,
    },
    /// A publication of any node has arrived.
    Came {
        /// The topic: a channel or the nodes.
        topic: Topic,
        /// The encoded publication.
        envelope: Bytes,
        /// The place in the history of its channel. `None` without a history.
        place: Option<Place>,
    },
    /// The broker has accepted a publication.
    Published {
        /// The ticket of the command.
        ticket: u64,
    },
    /// The broker has refused a publication for good.
    Refused {
        /// The ticket of the command.
        ticket: u64,
        /// The reason.
        reason: String,
    },
    /// Past publications.
    Past {
        /// The ticket of the command.
        ticket: u64,
        /// Offsets and publications, oldest first.
        entries: Vec<(u64, Bytes)>,
        /// Whether nothing is missing between the requested offset and the first entry.
        is_whole: bool,
    },
}

/// The place of a publication in the history of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The offset: larger than that of any earlier publication on the channel, also after the
    /// broker has lost its history.
    pub offset: u64,
    /// The offset of the previous publication on the channel; 0 for the first.
    pub previous: u64,
}
