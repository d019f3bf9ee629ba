//! Tests of the program as a process, from the user's point of view.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use polysock_test_support::program::Program;

mod admission;
#[cfg(feature = "auth")]
mod auth;
mod auto;
mod bench;
mod capture;
#[cfg(feature = "tls")]
mod cert;
mod clients;
mod closing;
mod compression;
mod config;
mod configured;
mod connect;
mod control;
mod deadline;
mod exec;
mod explain;
mod files;
mod giving_up;
#[cfg(feature = "tls")]
mod goodbye;
#[cfg(feature = "grip")]
mod grip;
mod groups;
mod http;
mod http2;
mod import;
mod limits;
mod load;
mod log;
mod log_files;
mod log_formats;
mod manual;
mod memory;
#[cfg(feature = "otlp")]
mod otlp;
mod pages;
mod passing_on;
mod policy;
mod proxying;
#[cfg(feature = "grip")]
mod publishing;
mod relay;
mod reload;
mod replay;
mod service_manager;
mod sessions;
mod shutdown;
mod signals;
mod silence;
mod subprotocols;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_upstreams;
mod urls;
mod usage;
mod wamp;
mod websockify;
#[cfg(feature = "zmq")]
mod zmq;

/// The program, which Cargo has built for these tests.
const POLYSOCK: Program = Program::new(env!("CARGO_BIN_EXE_polysock"), env!("CARGO_TARGET_TMPDIR"));
