//! What a configuration becomes: sites, and what listens for their clients.

mod listening;
mod server;
mod settings;
mod site;
mod sites;

pub(crate) use self::server::{Server, Unserved};
