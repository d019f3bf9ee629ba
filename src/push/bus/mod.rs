//! What a broker between nodes does for them: the seam for NATS, Redis and others.
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

/// A broker that several nodes share, through which what is published on one of them reaches the others. Who
/// connects, and again where a connection has broken, is the [`Node`](crate::Node).
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Connects. Dropping the future gives up.
    fn connect(&self) -> BoxFuture<'static, Result<Box<dyn Link>, BoxError>>;

    /// Whether it keeps what is published: each publication has a [`Place`] then, and can be asked for later.
    fn has_history(&self) -> bool;
}

/// One connection to a broker, until it breaks.
///
/// The broker keeps the order of what is published by one connection on one topic, and gives what is published while a
/// topic is subscribed to once, what is its own included.
pub trait Link: Send {
    /// Has this done. Returns at once; what comes of it is an [`Event`].
    fn command(&mut self, command: Command);

    /// What happens next. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// The connection has ended, and what was not yet confirmed may or may not be with the broker.
    fn next(&mut self) -> BoxFuture<'_, Result<Event, BoxError>>;
}

/// What can be subscribed to and published on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A channel, by its name: any text, also with blanks and what the broker's own names may not have.
    Channel(Arc<str>),
    /// All channels. Nothing is published on it.
    Channels,
    /// What others than nodes publish at the broker, by its own means, on the name of a channel as it is: no envelopes,
    /// but texts and bytes. Where it has no such name, or does not allow it, nothing comes.
    Bare(Arc<str>),
    /// What nodes tell one another. Nothing of it is kept.
    Nodes,
}

/// What a broker is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Give what is published there from now on. [`Event::Subscribed`] comes of it.
    Subscribe(Topic),
    /// No more.
    Unsubscribe(Topic),
    /// Publish. [`Event::Published`] or [`Event::Refused`] comes of it.
    Publish {
        /// Where: a channel or the nodes.
        topic: Topic,
        /// What.
        envelope: Bytes,
        /// What its event is known by.
        ticket: u64,
    },
    /// Give what was published on a channel before. [`Event::Past`] comes of it.
    Past {
        /// The channel.
        channel: Arc<str>,
        /// Behind this place: the offset of the last that is known.
        after: u64,
        /// Not more than these, the oldest first.
        most: usize,
        /// What its event is known by.
        ticket: u64,
    },
}

/// What comes of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What is published on the topic comes from now on.
    Subscribed {
        /// The topic.
        topic: Topic,
        /// The offset of what was published last on it, where that is kept and there is any.
        last: Option<u64>,
    },
    /// Something was published, by any node.
    Came {
        /// Where: a channel or the nodes.
        topic: Topic,
        /// What.
        envelope: Bytes,
        /// Where it is in the history of its channel, if there is one.
        place: Option<Place>,
    },
    /// The broker has what was published.
    Published {
        /// That of the command.
        ticket: u64,
    },
    /// It does not take what was published, and never will.
    Refused {
        /// That of the command.
        ticket: u64,
        /// Why.
        reason: String,
    },
    /// What was published before.
    Past {
        /// That of the command.
        ticket: u64,
        /// Each with its offset, the oldest first.
        entries: Vec<(u64, Bytes)>,
        /// Whether nothing is missing between the place that was asked for and the first of them.
        is_whole: bool,
    },
}

/// Where something is in the history of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Larger than that of everything before it on the channel, also after the broker has forgotten all it knew.
    pub offset: u64,
    /// That of the one before it on the channel; 0 for the first.
    pub previous: u64,
}
