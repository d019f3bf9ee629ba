//! Flags that several commands share, and their values.

pub(crate) mod compression;
pub(crate) mod connections;
pub(crate) mod dial;
pub(crate) mod exec;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod remedy;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod timeouts;
pub(crate) mod tls;
#[cfg(feature = "tls")]
pub(crate) mod upstream_tls;
pub(crate) mod values;
