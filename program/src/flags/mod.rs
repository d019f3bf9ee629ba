//! Flags that several commands share, and their values.

pub(crate) mod compression;
pub(crate) mod server;
pub(crate) mod values;
