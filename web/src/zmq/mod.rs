//! Publishing over ZeroMQ.
//!
//! ```text
//!   tnetstring   tagged netstrings, an encoding of items
//!   zmtp         greeting, READY and frames, without I/O
//!   publishing   publishing of received messages
//!   connection   one connection of a peer
//!   socket       a bound socket
//! ```

mod connection;
mod publishing;
mod socket;
mod tnetstring;
mod zmtp;

pub use self::socket::{BoundZmqSocket, ZmqSocket};
