//! The port: what listens, what a connection is, and who serves it.

mod drain;
mod gateway;
mod listener;
mod opening;
mod serving;
mod settings;
mod worker;

pub use self::drain::Drained;
pub use self::gateway::Gateway;
pub use self::opening::{Opened, Opener};
pub use self::settings::PortSettings;
pub use self::worker::{StartError, Workers};
