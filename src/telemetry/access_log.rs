//! One line for each connection at its open, and one at its close.

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hyper::http::Extensions;
use polysock_protocols::{Closed, Request, Side, hide_secrets};
use tracing::{Level, enabled, info};

use super::{Address, Masked, RouteName, TlsVersion};

/// What has been received and sent, without the opening handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received, on the wire.
    pub received: u64,
    /// Bytes sent, on the wire.
    pub sent: u64,
    /// Messages received, to their ends.
    pub messages_received: u64,
    /// Messages sent, to their ends. What was published to a subscription is counted here, too.
    pub messages_sent: u64,
}

/// What the line at the close needs of the opening handshake.
#[derive(Debug)]
pub(crate) struct AccessLog {
    texts: Texts,
    opened: Instant,
    /// What only some lines have.
    more: Option<Box<More>>,
}

/// What was agreed on, for the line at the open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed<'a> {
    pub(crate) subprotocol: Option<&'a str>,
    pub(crate) extension: Option<&'static str>,
    /// What the client is connected to.
    pub(crate) upstream: Option<&'a str>,
}

#[derive(Debug, Default)]
struct More {
    /// How many messages it has missed of what it is subscribed to.
    missed: Option<Arc<AtomicU64>>,
    /// Whether it is the upstream that ended it.
    by_upstream: bool,
    /// What failed.
    error: Option<String>,
}

impl AccessLog {
    /// Writes the line at the open.
    pub(crate) fn opened(
        request: &Request,
        (address, extensions): (Option<SocketAddr>, &Extensions),
        agreed: Agreed<'_>,
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
        let tls = extensions.get::<TlsVersion>();
        info!(
            route,
            protocol = request.protocol.name(),
            over = request.head.is_connect().then_some("HTTP/2"),
            tls = tls.map(|tls| tls.0),
            peer = address.map(tracing::field::display),
            target = &*target,
            upstream = upstream.as_deref(),
            origin = request.origin.as_deref().map(hide_secrets).as_deref(),
            user_agent = user_agent.as_deref(),
            subprotocol = agreed.subprotocol.map(hide_secrets).as_deref(),
            extension = agreed.extension,
            "open"
        );
        Self {
            texts: Texts::new(
                address,
                [
                    route,
                    Some(&target),
                    upstream.as_deref(),
                    user_agent.as_deref(),
                ],
            ),
            opened: Instant::now(),
            more: None,
        }
    }

    /// Where to count the messages that the connection misses of what it is subscribed to.
    pub(crate) fn missed(&mut self) -> Arc<AtomicU64> {
        let more = self.more.get_or_insert_default();
        Arc::clone(more.missed.get_or_insert_default())
    }

    /// Notes what has failed.
    pub(crate) fn failed(&mut self, error: &dyn fmt::Display) {
        self.more.get_or_insert_default().error = Some(error.to_string());
    }

    /// Notes that it is the upstream that ends it, for this error if any.
    pub(crate) fn ended_by_upstream(&mut self, error: Option<&dyn fmt::Display>) {
        let more = self.more.get_or_insert_default();
        more.by_upstream = true;
        more.error = error.map(ToString::to_string);
    }

    /// When it was opened.
    pub(crate) fn opened_at(&self) -> Instant {
        self.opened
    }

    /// Writes the line at the close.
    pub(crate) fn closed(&self, protocol: &str, closed: Option<&Closed>, traffic: Traffic) {
        if !enabled!(Level::INFO) {
            return;
        }
        let more = self.more.as_deref();
        let missed = more.and_then(|more| more.missed.as_ref());
        let missed = missed.map(|missed| missed.load(Ordering::Relaxed));
        let close = closed.and_then(|closed| closed.close.as_ref());
        let reason = close.map_or("", |close| &close.reason);
        let error = more.and_then(|more| more.error.as_deref());
        let [peer, route, target, upstream, user_agent] = self.texts.all();
        info!(
            route,
            protocol,
            peer = peer.map(tracing::field::display),
            target,
            upstream,
            user_agent,
            received = traffic.received,
            sent = traffic.sent,
            messages_received = traffic.messages_received,
            messages_sent = traffic.messages_sent,
            missed = missed.filter(|missed| *missed > 0),
            // To a millisecond, as nginx has it.
            seconds = (self.opened.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            // RFC 6455 §7.1.5: 1005 stands for no code, 1006 for no closing handshake.
            code = match (closed, close) {
                (_, Some(close)) => close.code.get(),
                (Some(closed), None) if closed.clean => 1005,
                _ => 1006,
            },
            reason = Some(reason).filter(|reason| !reason.is_empty()),
            by = match closed.map(|closed| closed.by) {
                _ if more.is_some_and(|more| more.by_upstream) => "upstream",
                Some(Side::Local) => "server",
                Some(Side::Peer) | None => "client",
            },
            clean = closed.is_some_and(|closed| closed.clean),
            error = error.filter(|error| *error != reason),
            "close"
        );
    }
}

/// How long an address is, mostly.
const ADDRESS: usize = "255.255.255.255:65535".len();

/// Texts in one allocation, as every connection has them. A NUL stands between each and the next: fields
/// of a request have none (RFC 9110 §5.5).
#[derive(Debug)]
struct Texts(Box<str>);

impl Texts {
    fn new(peer: Option<Address>, others: [Option<&str>; 4]) -> Self {
        let lens = others.map(|other| other.map_or(0, str::len) + 1);
        let mut text = String::with_capacity(ADDRESS + lens.iter().sum::<usize>());
        if let Some(peer) = peer {
            // Nothing fails that writes to memory.
            let _ = write!(text, "{peer}");
        }
        for other in others {
            text.push('\0');
            text.push_str(other.unwrap_or_default());
        }
        Self(text.into_boxed_str())
    }

    /// The peer and the others, each if it is not empty.
    fn all(&self) -> [Option<&str>; 5] {
        let mut texts = self.0.splitn(5, '\0');
        [(); 5].map(|()| texts.next().filter(|text| !text.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_in_their_places() {
        let peer = Address(([127, 0, 0, 1], 80).into());
        let texts = Texts::new(Some(peer), [None, Some("/"), Some(""), Some("agent")]);
        let expected = [Some("127.0.0.1:80"), None, Some("/"), None, Some("agent")];
        assert_eq!(texts.all(), expected);
        assert_eq!(Texts::new(None, [None; 4]).all(), [None; 5]);
    }
}
