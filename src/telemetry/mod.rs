//! What is told of connections.

mod access_log;
mod address;
mod answered_by;
mod losses;
mod masked;
mod route_name;
mod throttle;
mod tls_version;

pub use self::access_log::Traffic;
pub(crate) use self::access_log::{AccessLog, Agreed};
pub(crate) use self::address::Address;
pub(crate) use self::answered_by::AnsweredBy;
pub(crate) use self::losses::Losses;
pub(crate) use self::masked::Masked;
pub use self::route_name::RouteName;
pub(crate) use self::throttle::{Failures, Throttle};
pub(crate) use self::tls_version::TlsVersion;
