//! Machinery: ordinary requests over HTTP/1 and HTTP/2, and the opening handshakes among them.

mod alarm;
mod append;
mod cookies;
mod end_to_end;
mod gate;
mod http1;
pub(crate) mod http2;
mod progress_timeout;
mod rejected;
mod service;
mod shared_gate;
mod upgrade;

pub(crate) use self::alarm::Alarm;
pub(crate) use self::append::append;
pub(crate) use self::cookies::cookies;
pub(crate) use self::end_to_end::{is_coded_otherwise, keep_end_to_end};
pub(crate) use self::gate::RequestKind;
pub(crate) use self::http1::{LaterRequests, Requests};
pub(crate) use self::rejected::rejected;
pub use self::service::{Body, Service};
pub(crate) use self::upgrade::{Upgrade, refuse};
