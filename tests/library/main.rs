//! Tests of the library that need no process of the program.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "auth")]
mod auth;
#[cfg(feature = "axum")]
mod axum;
mod broadcast;
mod closing;
mod components;
mod groups;
mod http2;
mod keep_alive;
mod layers;
mod lent_sockets;
mod nodes;
mod proxies;
mod pulse;
mod rates;
mod registry;
mod serving;
mod site_limits;
mod sites;
mod tap;
mod telling;
mod terms;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_upstreams;
mod unmasked;
mod upstream;
#[cfg(feature = "wamp")]
mod wamp;
mod watches;
