//! The program as a process, as those who run it see it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/src"]
mod support {
    pub(crate) mod client;
    #[path = "program.rs"]
    pub(crate) mod command;
    pub(crate) mod http2;
    #[path = "gateway.rs"]
    pub(crate) mod library;
    pub(crate) mod middle;
    pub(crate) mod packets;
    pub(crate) mod server;
    pub(crate) mod tcp;
    pub(crate) mod wire_peer;
}

mod bench;
mod capture;
mod cli;
mod clients;
mod closing;
mod compression;
mod explain;
mod http2;
mod http2_floods;
mod import;
mod lent_sockets;
mod load;
mod relay;
mod replay;
mod shutdown;
mod subprotocols;
