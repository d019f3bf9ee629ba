//! The effects that the engine requests.

use std::sync::Arc;

use crate::push::bus::Command;
use crate::push::envelope::Origin;
use crate::push::outlet::Past;
use crate::push::presence::Present;
use crate::push::publication::Publication;

/// An effect that the engine requests. Effects are carried out in order.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// Send a command to the broker.
    Command(Command),
    /// Deliver a publication to the subscribers in this process.
    Deliver {
        channel: Arc<str>,
        /// The node that published it. `None` if it was published by other means than a node.
        origin: Option<Origin>,
        publication: Box<Publication>,
        /// The offset in the history of the channel. `None` without a history.
        offset: Option<u64>,
    },
    /// Record the offset in the history of one of this node's publications.
    Placed {
        channel: Arc<str>,
        number: u64,
        offset: u64,
    },
    /// Record the end of the history of a channel at the time of its subscription.
    Begun { channel: Arc<str>, offset: u64 },
    /// Report irrecoverably lost publications: this many, or `None` if their number is unknown.
    Gap {
        channel: Arc<str>,
        lost: Option<u64>,
    },
    /// Answer a request for the past. `None` if it is not available.
    Past { ask: u64, past: Option<Past> },
    /// Tell another node who is on a channel in this process.
    Who { ask: u64, channel: Arc<str> },
    /// Answer a local request with who is on a channel, on all nodes.
    Present { ask: u64, present: Present },
    /// Report an unreadable message, or a publication that the broker has refused.
    Trouble { channel: Arc<str>, problem: String },
}
