//! Channels: publications from web apps, applications and other nodes, pushed to the subscribed
//! clients.
//!
//! ```text
//!   key           the key that we share with web apps; it signs the requests of both
//!   publication   publications on a channel
//!   presence      the clients on a channel
//!   envelope      the encoding of publications for other nodes
//!   delivery      publications on their way to local subscribers; positions in a channel
//!   positioned    messages for clients that receive their position
//!   order         the order of delivery: each publication once, after its predecessor
//!   channel       one channel: its members and receivers, and the delivery to them
//!   outlet        notifications and requests to the node
//!   channels      all channels of this process
//!   elsewhere     requests that other processes may have to answer
//!   recovery      recovery of the messages that a client has missed
//!   bus           the interface to a broker between nodes
//!   node          a node: exchanges publications with other processes through a broker
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

pub(crate) use self::channel::ChannelEvent;
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
