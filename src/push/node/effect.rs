//! What is to be done.

use std::sync::Arc;

use crate::push::bus::Command;
use crate::push::envelope::Origin;
use crate::push::outlet::Past;
use crate::push::presence::Present;
use crate::push::publication::Publication;

/// What is to be done, in this order.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// The broker is told.
    Command(Command),
    /// Those who are here get it.
    Deliver {
        channel: Arc<str>,
        /// The node that has published it, if one has.
        origin: Option<Origin>,
        publication: Box<Publication>,
        /// Its offset in the history of the channel.
        offset: Option<u64>,
    },
    /// One of this node's own has its place in the history of the channel.
    Placed {
        channel: Arc<str>,
        number: u64,
        offset: u64,
    },
    /// The end of the history of a channel, as it is subscribed to.
    Begun { channel: Arc<str>, offset: u64 },
    /// Something is missing that nobody will get: so many, where that is known.
    Gap {
        channel: Arc<str>,
        lost: Option<u64>,
    },
    /// What was asked for.
    Past { ask: u64, past: Option<Past> },
    /// Another node asks who is here on a channel.
    Who { ask: u64, channel: Arc<str> },
    /// Who is on a channel, everywhere.
    Present { ask: u64, present: Present },
    /// What has come cannot be read, or will not be taken.
    Trouble { channel: Arc<str>, problem: String },
}
