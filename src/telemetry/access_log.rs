//! One line for each connection at its open, and one at its close.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hyper::http::Extensions;
use polysock_protocols::{Closed, Request, Side, hide_secrets};
use tracing::info;

use super::{Address, Masked, RouteName};

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
    peer: Option<Address>,
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
        info!(
            route,
            protocol = request.protocol.name(),
            over = request.head.is_connect().then_some("HTTP/2"),
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
            peer: address,
            texts: Texts::new([
                route,
                Some(&target),
                upstream.as_deref(),
                user_agent.as_deref(),
            ]),
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
        let more = self.more.as_deref();
        let missed = more.and_then(|more| more.missed.as_ref());
        let missed = missed.map(|missed| missed.load(Ordering::Relaxed));
        let close = closed.and_then(|closed| closed.close.as_ref());
        let reason = close.map_or("", |close| &close.reason);
        let error = more.and_then(|more| more.error.as_deref());
        let [route, target, upstream, user_agent] = self.texts.all();
        info!(
            route,
            protocol,
            peer = self.peer.map(tracing::field::display),
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

/// Four texts in one allocation, as every connection has them. One of 64 KiB or more is cut.
#[derive(Debug)]
struct Texts {
    text: Box<str>,
    /// How long each is; none is empty.
    lens: [u16; 4],
}

impl Texts {
    fn new(texts: [Option<&str>; 4]) -> Self {
        let texts = texts.map(|text| {
            let text = text.unwrap_or_default();
            let most = (0..=usize::from(u16::MAX)).rev();
            let mut fits = most.filter(|end| text.is_char_boundary(*end));
            match u16::try_from(text.len()) {
                Ok(_) => text,
                Err(_) => text.get(..fits.next().unwrap_or(0)).unwrap_or_default(),
            }
        });
        Self {
            text: texts.concat().into_boxed_str(),
            lens: texts.map(|text| u16::try_from(text.len()).unwrap_or(u16::MAX)),
        }
    }

    fn all(&self) -> [Option<&str>; 4] {
        let mut rest = &*self.text;
        self.lens.map(|len| {
            let (text, behind) = rest.split_at_checked(len.into())?;
            rest = behind;
            Some(text).filter(|text| !text.is_empty())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_as_far_as_there_is_room() {
        let long = "ü".repeat(40_000);
        let texts = Texts::new([None, Some("/"), Some(&long), Some("agent")]);
        let [route, target, upstream, user_agent] = texts.all();
        assert_eq!(
            (route, target, user_agent),
            (None, Some("/"), Some("agent"))
        );
        assert_eq!(upstream.unwrap().len(), 65_534);
    }
}
