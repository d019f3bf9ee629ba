//! Channels: publications from web apps, applications and other nodes, pushed to the subscribed
//! clients.
//!
//! ```text
//!   key           what we and web apps share, to know each other's requests
//!   publication   what is published on a channel
//!   presence      who is on a channel
//!   envelope      a publication as bytes, for other nodes
//!   delivery      a publication on its way to those who are here, and how far they are
//!   positioned    messages for those who are told how far they are
//!   order         which publication is delivered when
//!   channel       one channel: who is on it, and what each gets
//!   outlet        what happens here that the node has to know
//!   channels      all channels of this process
//!   elsewhere     what other processes have to be asked for
//!   recovery      what one has missed, and then what comes
//!   bus           what a broker between nodes does
//!   node          this process among others: what goes to the broker, and what comes
//! ```
#![cfg_attr(
    not(feature = "grip"),
    allow(
        dead_code,
        reason = "who asks for positions needs JSON, which comes with `grip`"
    )
)]

pub mod bus;
mod channel;
mod channels;
mod delivery;
mod elsewhere;
mod envelope;
#[cfg(feature = "grip")]
mod key;
mod node;
mod order;
mod outlet;
#[cfg(feature = "grip")]
pub(crate) mod positioned;
mod presence;
mod publication;
#[cfg(feature = "grip")]
mod recovery;

pub(crate) use self::channel::Told;
#[cfg(feature = "grip")]
pub(crate) use self::channels::Subscribed;
pub use self::channels::{Channels, Receiving};
#[cfg(feature = "grip")]
pub(crate) use self::delivery::Position;
#[cfg(feature = "grip")]
pub use self::key::{GripKey, GripKeyError};
pub use self::node::{Node, NodeError, NodeState, NodeWatch, Tally};
pub use self::presence::{Attendee, Present};
pub use self::publication::{
    Audience, HeldAnswer, HeldPush, Publication, Push, ResponsePush, StreamPush,
};
#[cfg(feature = "grip")]
pub(crate) use self::recovery::Recovery;
