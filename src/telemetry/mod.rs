//! What is told of connections.

mod access_log;
mod losses;
mod route_name;
mod throttle;

pub(crate) use self::access_log::AccessLog;
pub use self::access_log::Traffic;
pub(crate) use self::losses::Losses;
pub use self::route_name::RouteName;
pub(crate) use self::throttle::{Failures, Throttle};
