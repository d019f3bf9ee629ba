//! The instrument: what needs no process of the program.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/src"]
mod support {
    pub(crate) mod packets;
}

mod fixtures;
mod outside;
mod pcap;
