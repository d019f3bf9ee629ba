//! What is told of connections.

mod access_log;
mod address;
mod answered_by;
mod connection_id;
mod ending;
mod handshake_bytes;
mod losses;
mod masked;
mod metrics;
mod refusals;
mod route_name;
mod shown;
mod throttle;
mod tls_version;
mod trace_id;
mod traffic;

pub(crate) use self::access_log::{AccessLog, Agreed, Facts};
pub(crate) use self::address::Address;
pub(crate) use self::answered_by::AnsweredBy;
pub use self::connection_id::{ConnectionId, ConnectionIdError};
pub(crate) use self::ending::Ending;
pub use self::handshake_bytes::HandshakeBytes;
pub(crate) use self::handshake_bytes::{HandshakeKeeper, KeptHandshake};
pub(crate) use self::losses::Losses;
pub(crate) use self::masked::Masked;
pub(crate) use self::metrics::{ConnectionKind, Counters, Metrics, Tally, UpstreamTally};
pub use self::metrics::{MetricFamily, MetricKind, Sample, SampleValue};
pub use self::refusals::Refusal;
pub(crate) use self::refusals::Refusals;
pub use self::route_name::RouteName;
pub use self::shown::show_queries;
pub(crate) use self::throttle::{Failures, Throttle};
pub(crate) use self::tls_version::TlsVersion;
pub(crate) use self::trace_id::{TRACE_PARENT, of_parent, trace_id, trace_id_of_head};
pub use self::traffic::Traffic;
