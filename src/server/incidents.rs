//! The repeated failures of a port, which are logged once a second.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use polysock_protocols::FirstBytes;
use rustix::io::Errno;
use tracing::field::display;
use tracing::{info, warn};

use super::reason;
use crate::connection::Registry;
use crate::telemetry::{Address, Counters, Failures, Throttle};

/// The repeated failures of a port.
#[derive(Debug)]
pub(super) struct Incidents {
    accept_failures: Throttle<Failures>,
    application_failures: Throttle<(Option<SocketAddr>, Failures)>,
    unopened: Throttle<Unopened>,
    refused: Throttle<Refused>,
    floods: Throttle<(Option<SocketAddr>, u64)>,
    counters: Arc<Counters>,
}

/// The number of connections that were never opened, by cause.
#[derive(Debug, Default)]
pub(super) struct Unopened {
    /// The client sent nothing until the deadline.
    pub(super) silent: u64,
    /// The first request was not complete at the deadline.
    pub(super) late: u64,
    /// The client disconnected before its first request was complete.
    pub(super) gone: u64,
    /// The network of the client is not allowed.
    pub(super) denied: u64,
    /// A trusted proxy sent no valid PROXY header.
    pub(super) unproxied: u64,
    /// The TLS handshake failed.
    #[cfg(feature = "tls")]
    pub(super) tls_failed: u64,
    /// The client sent plain text, but only TLS is accepted.
    pub(super) insecure: u64,
    /// The client spoke a protocol that is not enabled.
    foreign: u64,
    tls: u64,
}

/// The number of refused connections, by the limit that was reached.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// The limit on connections.
    pub(super) connections: u64,
    /// The limit on connections of one address.
    pub(super) per_address: u64,
    /// The memory budget.
    pub(super) memory: u64,
    /// The limit on connections without a complete first request: the newest displaced the oldest.
    pub(super) handshakes: u64,
    /// The rate of connections.
    pub(super) fast: u64,
    /// The rate of connections of one address.
    pub(super) fast_per_address: u64,
    /// The rate of opening handshakes.
    pub(super) fast_handshakes: u64,
    /// The rate of opening handshakes of one address.
    pub(super) fast_handshakes_per_address: u64,
}

impl Incidents {
    /// Starts without failures. The totals are counted in this registry.
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            counters: Arc::clone(registry.metrics().counters()),
            accept_failures: Throttle::new(|failures: Failures| {
                let times = failures.times();
                warn!(error = failures.last, times, "cannot accept connections");
            }),
            application_failures: Throttle::new(
                |(peer, failures): (Option<SocketAddr>, Failures)| {
                    let (peer, times) = (peer.map(Address).map(display), failures.times());
                    warn!(peer, error = failures.last, times, "application failed");
                },
            ),
            unopened: Throttle::new(|unopened: Unopened| {
                #[cfg(feature = "tls")]
                let tls_failed = some(unopened.tls_failed);
                #[cfg(not(feature = "tls"))]
                let tls_failed = None::<u64>;
                info!(
                    silent = some(unopened.silent),
                    late = some(unopened.late),
                    gone = some(unopened.gone),
                    tls = some(unopened.tls),
                    tls_failed,
                    insecure = some(unopened.insecure),
                    foreign = some(unopened.foreign),
                    unproxied = some(unopened.unproxied),
                    denied = some(unopened.denied),
                    "connections not opened"
                );
            }),
            refused: Throttle::new(|refused: Refused| {
                warn!(
                    connections = some(refused.connections),
                    per_address = some(refused.per_address),
                    memory = some(refused.memory),
                    handshakes = some(refused.handshakes),
                    fast = some(refused.fast),
                    fast_per_address = some(refused.fast_per_address),
                    fast_handshakes = some(refused.fast_handshakes),
                    fast_handshakes_per_address = some(refused.fast_handshakes_per_address),
                    "no room for connections"
                );
            }),
            floods: Throttle::new(|(peer, count): (Option<SocketAddr>, u64)| {
                let (peer, times) = (
                    peer.map(Address).map(display),
                    Some(count).filter(|count| *count > 1),
                );
                warn!(
                    peer,
                    times, "closed because of a flood of useless HTTP/2 frames"
                );
            }),
        }
    }

    /// Records a connection that could not be accepted.
    pub(super) fn accept_failed(&self, error: &io::Error) {
        self.counters.accept_failed(match error.raw_os_error() {
            Some(code) if code == Errno::MFILE.raw_os_error() => "EMFILE",
            Some(code) if code == Errno::NFILE.raw_os_error() => "ENFILE",
            Some(code) if code == Errno::NOBUFS.raw_os_error() => "ENOBUFS",
            Some(code) if code == Errno::NOMEM.raw_os_error() => "ENOMEM",
            _ => "other",
        });
        self.accept_failures.note(|failures| failures.add(error));
    }

    /// Records the failure of an application that was serving this peer.
    pub(super) fn application_failed(&self, peer: Option<SocketAddr>, error: &dyn fmt::Display) {
        self.application_failures.note(|(last_peer, failures)| {
            *last_peer = peer;
            failures.add(error);
        });
    }

    /// Records a connection that was never opened.
    pub(super) fn not_opened(&self, count: impl FnOnce(&mut Unopened)) {
        self.unopened.note(count);
    }

    /// Records that this peer received ENHANCE_YOUR_CALM (RFC 9113 §10.5).
    pub(super) fn flooded(&self, peer: Option<SocketAddr>) {
        self.floods.note(|(last_peer, count)| {
            *last_peer = peer;
            *count += 1;
        });
    }

    /// Records a connection that is refused because all connections are being closed.
    pub(super) fn drained(&self) {
        self.counters.refused(reason::DRAINING, Some(503));
    }

    /// Records a refusal with this status because of a limit.
    pub(super) fn refused(&self, status: u16, count: impl FnOnce(&mut Refused)) {
        self.counters.refused(reason::LIMIT, Some(status));
        self.refused.note(count);
    }
}

impl Unopened {
    /// Counts a connection that is closed because of its first bytes.
    pub(super) fn add(&mut self, first: FirstBytes) {
        match first {
            FirstBytes::Tls => self.tls += 1,
            _ => self.foreign += 1,
        }
    }
}

/// Returns the count; `None` for zero, which is not logged.
fn some(count: u64) -> Option<u64> {
    Some(count).filter(|count| *count > 0)
}
