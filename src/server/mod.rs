//! The port: what listens, what a connection is, and who serves it.

mod gateway;
mod listener;
mod opening;
mod settings;
mod streams;
mod worker;

pub use self::gateway::{Drained, Gateway};
pub use self::settings::{Origins, Settings};
pub use self::worker::{StartError, Workers};
