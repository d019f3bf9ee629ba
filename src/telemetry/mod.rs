//! What is told of connections.

mod access_log;

pub(crate) use self::access_log::AccessLog;
pub use self::access_log::Traffic;
