//! The port: what listens, what a connection is, and who serves it.

mod admission;
mod dispatch;
mod drain;
mod gateway;
mod incidents;
mod listener;
mod opening;
mod refusal;
mod selection;
mod serving;
mod settings;
mod worker;

pub use self::drain::Drained;
pub use self::gateway::Gateway;
pub use self::opening::{Opened, Opener};
pub use self::settings::{ConnectionLimits, PortSettings};
pub use self::worker::{StartError, Workers};
