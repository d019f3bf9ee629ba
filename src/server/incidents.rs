//! What goes wrong at a port again and again, and is told once a second.

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

/// What has gone wrong at a port.
#[derive(Debug)]
pub(super) struct Incidents {
    accept_failures: Throttle<Failures>,
    application_failures: Throttle<(Option<SocketAddr>, Failures)>,
    unopened: Throttle<Unopened>,
    refused: Throttle<Refused>,
    floods: Throttle<(Option<SocketAddr>, u64)>,
    counters: Arc<Counters>,
}

/// Connections that were never opened, by what they did instead.
#[derive(Debug, Default)]
pub(super) struct Unopened {
    /// They said nothing up to the deadline.
    pub(super) silent: u64,
    /// What they said was not complete by then.
    pub(super) late: u64,
    /// They went away in the middle of it.
    pub(super) gone: u64,
    /// They came from where nobody may.
    pub(super) denied: u64,
    /// They came from a trusted proxy, and did not say for whom.
    pub(super) unproxied: u64,
    /// Their handshakes of TLS failed.
    #[cfg(feature = "tls")]
    pub(super) tls_failed: u64,
    /// They spoke plain text where only TLS is welcome.
    pub(super) insecure: u64,
    /// They spoke what is not spoken here.
    foreign: u64,
    tls: u64,
}

/// Connections for which there was no room, by what there was no room for.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// More connections.
    pub(super) connections: u64,
    /// More of their address.
    pub(super) per_address: u64,
    /// What more would hold.
    pub(super) memory: u64,
    /// One more of which nobody knows what it is: the oldest gave way to the newest.
    pub(super) handshakes: u64,
    /// Another so soon.
    pub(super) fast: u64,
    /// Another of its address so soon.
    pub(super) fast_per_address: u64,
    /// Another opening handshake so soon.
    pub(super) fast_handshakes: u64,
    /// Another opening handshake of its address so soon.
    pub(super) fast_handshakes_per_address: u64,
}

impl Incidents {
    /// None yet; for ever they are counted in this registry.
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
                    "not opened"
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
                    times, "closed for a flood of HTTP/2 frames that do no work"
                );
            }),
        }
    }

    /// A connection could not be accepted.
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

    /// An application failed that was serving this peer.
    pub(super) fn application_failed(&self, peer: Option<SocketAddr>, error: &dyn fmt::Display) {
        self.application_failures.note(|(last_peer, failures)| {
            *last_peer = peer;
            failures.add(error);
        });
    }

    /// A connection was never opened.
    pub(super) fn not_opened(&self, count: impl FnOnce(&mut Unopened)) {
        self.unopened.note(count);
    }

    /// This peer was told to calm down (RFC 9113 §10.5).
    pub(super) fn flooded(&self, peer: Option<SocketAddr>) {
        self.floods.note(|(last_peer, count)| {
            *last_peer = peer;
            *count += 1;
        });
    }

    /// One came while connections are being closed.
    pub(super) fn drained(&self) {
        self.counters.refused(reason::DRAINING, Some(503));
    }

    /// There was no room, which is told with this status.
    pub(super) fn refused(&self, status: u16, count: impl FnOnce(&mut Refused)) {
        self.counters.refused(reason::LIMIT, Some(status));
        self.refused.note(count);
    }
}

impl Unopened {
    /// Counts one that is closed for how it begins.
    pub(super) fn add(&mut self, first: FirstBytes) {
        match first {
            FirstBytes::Tls => self.tls += 1,
            _ => self.foreign += 1,
        }
    }
}

/// A count that is worth a field.
fn some(count: u64) -> Option<u64> {
    Some(count).filter(|count| *count > 0)
}
