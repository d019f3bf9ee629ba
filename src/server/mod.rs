//! The port: listeners, the detection of protocols, and the serving of connections.

mod address;
mod admission;
mod dispatch;
mod drain;
mod forwarded;
mod gateway;
mod incidents;
mod insecure;
mod listener;
mod listening;
mod networks;
mod opening;
mod port;
mod proxied;
mod pulse;
mod rates;
mod reason;
mod refusal;
mod refused;
mod refused_input;
mod request_log;
mod secured;
mod selection;
mod serving;
mod settings;
mod socket;
mod task;
mod worker;

pub use self::address::ListenAddress;
pub use self::drain::Drained;
pub use self::gateway::Gateway;
pub use self::networks::Networks;
pub use self::opening::{Opened, Opener};
pub use self::pulse::Pulse;
pub use self::settings::{ConnectionLimits, PortSettings, RateLimits};

pub use self::socket::ListeningSocket;
pub use self::worker::{StartError, Workers};
