//! Tests of the instrument that need no process of the program.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answers;
mod explain;
mod fixtures;
mod outside;
mod pcap;
