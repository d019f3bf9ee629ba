//! One line for each connection at its open, and one at its close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use polysock_protocols::{Closed, Request, Side, hide_secrets};
use tracing::info;

/// Bytes on the wire, without the opening handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

/// What the line at the close needs of the opening handshake.
#[derive(Debug)]
pub(crate) struct AccessLog {
    peer: Option<String>,
    user_agent: Option<Box<str>>,
    opened: Instant,
    /// How many messages it has missed of what it is subscribed to.
    missed: Option<Arc<AtomicU64>>,
}

impl AccessLog {
    /// Writes the line at the open.
    pub(crate) fn opened(request: &Request, peer: Option<SocketAddr>) -> Self {
        let user_agent = request.user_agent();
        let peer = peer.map(text);
        info!(
            protocol = request.protocol.name(),
            over = request.head.is_connect().then_some("HTTP/2"),
            peer = peer.as_deref().map(tracing::field::display),
            target = &*hide_secrets(&request.target),
            origin = request.origin.as_deref().map(hide_secrets).as_deref(),
            user_agent = user_agent.as_deref(),
            "open"
        );
        Self {
            peer,
            user_agent: user_agent.map(String::into_boxed_str),
            opened: Instant::now(),
            missed: None,
        }
    }

    /// Where to count the messages that the connection misses of what it is subscribed to.
    pub(crate) fn missed(&mut self) -> Arc<AtomicU64> {
        Arc::clone(self.missed.get_or_insert_default())
    }

    /// When it was opened.
    pub(crate) fn opened_at(&self) -> Instant {
        self.opened
    }

    /// Writes the line at the close.
    pub(crate) fn closed(&self, protocol: &str, closed: Option<&Closed>, traffic: Traffic) {
        let missed = self.missed.as_ref();
        let missed = missed.map(|missed| missed.load(Ordering::Relaxed));
        let close = closed.and_then(|closed| closed.close.as_ref());
        info!(
            protocol,
            peer = self.peer.as_deref().map(tracing::field::display),
            user_agent = self.user_agent.as_deref(),
            received = traffic.received,
            sent = traffic.sent,
            missed = missed.filter(|missed| *missed > 0),
            // To a millisecond, as nginx has it.
            seconds = (self.opened.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            // RFC 6455 §7.1.5: 1005 stands for no code, 1006 for no closing handshake.
            code = match (closed, close) {
                (_, Some(close)) => close.code.get(),
                (Some(closed), None) if closed.clean => 1005,
                _ => 1006,
            },
            reason = close
                .map(|close| &*close.reason)
                .filter(|reason| !reason.is_empty()),
            by = match closed.map(|closed| closed.by) {
                Some(Side::Local) => "server",
                Some(Side::Peer) | None => "client",
            },
            clean = closed.is_some_and(|closed| closed.clean),
            "close"
        );
    }
}

/// An address as its `Display` has it, which takes seven times as long.
fn text(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else {
        return address.to_string();
    };
    let mut text = String::with_capacity("255.255.255.255:65535".len());
    for octet in address.ip().octets() {
        text.push_str(itoa::Buffer::new().format(octet));
        text.push('.');
    }
    text.pop();
    text.push(':');
    text.push_str(itoa::Buffer::new().format(address.port()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_ever() {
        for address in [
            "127.0.0.1:80",
            "255.255.255.255:65535",
            "[::1]:8080",
            "0.0.0.0:0",
        ] {
            assert_eq!(text(address.parse().unwrap()), address);
        }
    }
}
