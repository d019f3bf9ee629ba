//! What is pushed from elsewhere to the clients that are subscribed to a channel.
//!
//! ```text
//!   key           what we and web apps share, to know each other's requests
//!   publication   what is published on a channel
//!   order         which publication is delivered when
//!   channels      who is subscribed to what
//!   bus           what a broker between nodes does
//! ```

pub mod bus;
mod channels;
#[cfg(feature = "grip")]
mod key;
mod order;
mod publication;

#[cfg(feature = "grip")]
pub(crate) use self::channels::Subscribed;
pub use self::channels::{Channels, Receiving};
#[cfg(feature = "grip")]
pub use self::key::{GripKey, GripKeyError};
pub use self::publication::{HeldAnswer, HeldPush, Publication, Push, ResponsePush, StreamPush};
