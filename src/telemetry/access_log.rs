//! The access log: a line for each connection when it opens, and one when it closes.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::str::from_utf8;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hyper::http::Extensions;
use polysock_protocols::{Close, Closed, Request, Side, hide_secrets};
use tracing::{Level, enabled, info};

use super::{
    Address, ConnectionId, Ending, HandshakeBytes, Masked, RouteName, TRACE_PARENT, TlsVersion,
    TraceParent, Traffic,
};

/// The facts about a connection that are known from its opening handshake on.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) id: ConnectionId,
    pub(crate) opened: Instant,
    texts: Texts,
}

/// The further facts for the line at the close.
#[derive(Debug, Default)]
pub(crate) struct AccessLog {
    /// The messages that the connection has missed. `None` if its subscriptions have not begun.
    missed: Option<Missed>,
    /// Whether the upstream ended the connection.
    by_upstream: bool,
    /// The last error, if any.
    error: Option<String>,
    /// The opening handshake, kept until it is known whether the connection is tapped.
    handshake: Option<Box<HandshakeBytes>>,
}

/// The negotiated parameters, for the line at the open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed<'a> {
    pub(crate) subprotocol: Option<&'a str>,
    pub(crate) extension: Option<&'static str>,
    /// The upstream to which the client is connected. `None` without one.
    pub(crate) upstream: Option<&'a str>,
}

/// The messages that a connection has missed of its subscriptions.
#[derive(Debug)]
struct Missed {
    count: Arc<AtomicU64>,
    /// The handling of messages for which there is no room.
    overflow: &'static str,
}

impl Facts {
    /// Records the facts, and writes the line at the open if `is_logged`.
    pub(crate) fn opened(
        (id, address, extensions): (ConnectionId, Option<SocketAddr>, &Extensions),
        request: &Request,
        agreed: Agreed<'_>,
        is_logged: bool,
    ) -> Self {
        let user_agent = request.user_agent();
        let route = extensions.get::<RouteName>();
        let route = route.map(|route| &*route.0);
        let masked = extensions.get::<Masked>();
        let target = hide_secrets(&request.target);
        let target = Masked::apply(masked, &target);
        let upstream = agreed.upstream.map(hide_secrets);
        let upstream = upstream.as_deref().map(|text| Masked::apply(masked, text));
        let address = address.map(Address);
        let origin = request.origin.as_deref().map(hide_secrets);
        let parent = request.head.value(TRACE_PARENT);
        let parent = parent.and_then(TraceParent::read);
        if is_logged {
            let tls = extensions.get::<TlsVersion>();
            info!(
                id = tracing::field::display(id),
                route,
                protocol = request.protocol.name(),
                over = request.head.is_connect().then_some("HTTP/2"),
                tls = tls.map(|tls| tls.0),
                peer = address.map(tracing::field::display),
                target = &*target,
                upstream = upstream.as_deref(),
                origin = origin.as_deref(),
                user_agent = user_agent.as_deref(),
                trace_id = parent.map(|parent| parent.trace_id),
                subprotocol = agreed.subprotocol.map(hide_secrets).as_deref(),
                extension = agreed.extension,
                "open"
            );
        }
        Self {
            id,
            texts: Texts::new(
                address,
                [
                    route,
                    Some(&target),
                    upstream.as_deref(),
                    user_agent.as_deref(),
                    origin.as_deref(),
                    parent.map(|parent| parent.as_str()),
                ],
            ),
            opened: Instant::now(),
        }
    }

    /// Returns the peer, the route, the target, the upstream, the user agent, the origin and the
    /// trace parent, each `None` if absent.
    pub(crate) fn texts(&self) -> [Option<&str>; 7] {
        self.texts.all()
    }

    /// Returns the trace that the opening handshake is part of, if any.
    pub(crate) fn trace_parent(&self) -> Option<TraceParent<'_>> {
        let [.., parent] = self.texts();
        TraceParent::read(parent?.as_bytes())
    }
}

impl AccessLog {
    /// Returns the counter of the messages that the connection misses, whose queue has this
    /// handling of overflow.
    pub(crate) fn missed(&mut self, overflow: &'static str) -> Arc<AtomicU64> {
        let missed = self.missed.get_or_insert_with(|| Missed {
            count: Arc::default(),
            overflow,
        });
        Arc::clone(&missed.count)
    }

    /// Keeps the opening handshake for a tap of the connection.
    pub(crate) fn keep_handshake(&mut self, handshake: Box<HandshakeBytes>) {
        self.handshake = Some(handshake);
    }

    /// Takes the opening handshake, if it is still kept.
    pub(crate) fn take_handshake(&mut self) -> Option<Box<HandshakeBytes>> {
        self.handshake.take()
    }

    /// Records an error.
    pub(crate) fn failed(&mut self, error: &dyn fmt::Display) {
        self.error = Some(error.to_string());
    }

    /// Records that the upstream ended the connection, with its error if any.
    pub(crate) fn ended_by_upstream(&mut self, error: Option<&dyn fmt::Display>) {
        self.by_upstream = true;
        self.error = error.map(ToString::to_string);
    }

    /// Returns the handling of overflow and the number of missed messages. `None` if no message was
    /// missed.
    pub(crate) fn has_missed(&self) -> Option<(&'static str, u64)> {
        let missed = self.missed.as_ref()?;
        let count = missed.count.load(Ordering::Relaxed);
        (count > 0).then_some((missed.overflow, count))
    }

    /// Returns how the connection has ended.
    pub(crate) fn ending(&self, protocol: &'static str, closed: Option<&Closed>) -> Ending {
        let close = closed.and_then(|closed| closed.close.as_ref());
        // RFC 6455 §7.1.5: 1005 stands for no code, 1006 for no closing handshake.
        let code = match (closed, close) {
            (_, Some(close)) => close.code.get(),
            (Some(closed), None) if closed.clean => 1005,
            _ => 1006,
        };
        let by = match closed.map(|closed| closed.by) {
            _ if self.by_upstream => "upstream",
            Some(Side::Local) => "server",
            Some(Side::Peer) | None => "client",
        };
        Ending {
            protocol,
            by,
            code,
            clean: closed.is_some_and(|closed| closed.clean),
        }
    }

    /// Writes the line at the close.
    pub(crate) fn closed(
        &self,
        facts: &Facts,
        ending: &Ending,
        close: Option<&Close>,
        traffic: Traffic,
    ) {
        if !enabled!(Level::INFO) {
            return;
        }
        let reason = close.map_or("", |close| &close.reason);
        let error = self.error.as_deref();
        let [peer, route, target, upstream, user_agent, ..] = facts.texts();
        info!(
            id = tracing::field::display(facts.id),
            route,
            protocol = ending.protocol,
            peer = peer.map(tracing::field::display),
            target,
            upstream,
            user_agent,
            trace_id = facts.trace_parent().map(|parent| parent.trace_id),
            received = traffic.received,
            sent = traffic.sent,
            messages_received = traffic.messages_received,
            messages_sent = traffic.messages_sent,
            missed = self.has_missed().map(|(_, count)| count),
            // Millisecond resolution, like nginx.
            seconds = (facts.opened.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            code = ending.code,
            reason = Some(reason).filter(|reason| !reason.is_empty()),
            by = ending.by,
            clean = ending.clean,
            error = error.filter(|error| *error != reason),
            "close"
        );
    }
}

/// The maximum length of an address.
const ADDRESS: usize = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535".len();

/// Several texts in one allocation, since every connection has them. NUL separates the texts, as
/// fields of a request cannot contain it (RFC 9110 §5.5).
#[derive(Debug)]
struct Texts(Box<str>);

impl Texts {
    fn new(peer: Option<Address>, others: [Option<&str>; 6]) -> Self {
        let mut address = [0; ADDRESS];
        let mut left = &mut address[..];
        if let Some(peer) = peer {
            // The buffer has room for any address.
            let _ = write!(left, "{peer}");
        }
        let len = ADDRESS - left.len();
        let address = address.get(..len).and_then(|text| from_utf8(text).ok());
        let address = address.unwrap_or_default();
        let lens = others.map(|other| other.map_or(0, str::len) + 1);
        // The exact capacity, so that `into_boxed_str` does not reallocate.
        let mut text = String::with_capacity(len + lens.iter().sum::<usize>());
        text.push_str(address);
        for other in others {
            text.push('\0');
            text.push_str(other.unwrap_or_default());
        }
        Self(text.into_boxed_str())
    }

    /// Returns the peer and the others, each `None` if empty.
    fn all(&self) -> [Option<&str>; 7] {
        let mut texts = self.0.splitn(7, '\0');
        [(); 7].map(|()| texts.next().filter(|text| !text.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_texts_are_returned_by_their_positions() {
        let peer = Address(([127, 0, 0, 1], 80).into());
        let texts = Texts::new(
            Some(peer),
            [
                None,
                Some("/"),
                Some(""),
                Some("agent"),
                None,
                Some("trace"),
            ],
        );
        let expected = [
            Some("127.0.0.1:80"),
            None,
            Some("/"),
            None,
            Some("agent"),
            None,
            Some("trace"),
        ];
        assert_eq!(texts.all(), expected);
        assert_eq!(Texts::new(None, [None; 6]).all(), [None; 7]);
    }
}
