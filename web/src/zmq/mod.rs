//! Publishing over ZeroMQ.
//!
//! ```text
//!   tnetstring   tagged netstrings, in which items may be written
//!   zmtp         greeting, READY and frames, without I/O
//!   publishing   what a message publishes
//!   connection   a peer, from its greeting to its end
//!   socket       a socket that is bound
//! ```

mod connection;
mod publishing;
mod socket;
mod tnetstring;
mod zmtp;

pub use self::socket::{BoundZmqSocket, ZmqSocket};
