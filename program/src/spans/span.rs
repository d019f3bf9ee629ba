//! The contents of spans.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use polysock::protocols::PROTOCOLS;
use polysock::{Described, Ending, Refusal, Traffic};

/// The data at the beginning of a handshake's span.
pub(super) struct SpanStart {
    pub(super) context: SpanContext,
    pub(super) parent: Parent,
    /// The time until the answer.
    pub(super) took: Duration,
}

/// The parent of a span.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parent {
    None,
    /// A span of the client that has sent the request.
    Remote(SpanId),
}

/// Builds the span of an opening handshake that was accepted with this status.
pub(super) fn handshake(begin: SpanStart, connection: &Described<'_>, status: u16) -> SpanData {
    let mut attributes = of_connection(connection);
    attributes.set("http.response.status_code", i64::from(status));
    let end = SystemTime::now();
    span(begin, end, attributes, Status::Unset)
}

/// Builds the span of a refused opening handshake or connection.
pub(super) fn refusal(begin: SpanStart, refused: &Refusal) -> SpanData {
    let mut attributes = Attributes::of(refused.protocol);
    attributes.target(refused.target.as_deref());
    attributes.peer(refused.peer.as_deref());
    let user_agent = refused.user_agent().map(Cow::into_owned);
    attributes.some("user_agent.original", user_agent);
    attributes.set("polysock.connection.id", refused.id.to_string());
    attributes.some("http.response.status_code", refused.status.map(i64::from));
    attributes.set("error.type", refused.reason);
    attributes.set("polysock.refusal.detail", refused.detail.clone());
    // The HTTP conventions: an error of the client is no error of the server's span.
    let status = match refused.status {
        Some(500..) => Status::error(refused.detail.clone()),
        _ => Status::Unset,
    };
    span(begin, refused.at, attributes, status)
}

/// Builds the span of a close, linked to that of the handshake.
pub(super) fn close(
    (context, opened): (SpanContext, SpanContext),
    connection: &Described<'_>,
    (ending, traffic): (&Ending, &Traffic),
    now: SystemTime,
) -> SpanData {
    let mut attributes = of_connection(connection);
    attributes.set("polysock.close.code", i64::from(ending.code));
    attributes.set("polysock.close.by", ending.by);
    attributes.set("polysock.close.clean", ending.clean);
    for (name, count) in [
        ("polysock.received", traffic.received),
        ("polysock.sent", traffic.sent),
        ("polysock.messages_received", traffic.messages_received),
        ("polysock.messages_sent", traffic.messages_sent),
    ] {
        attributes.set(name, i64::try_from(count).unwrap_or(i64::MAX));
    }
    attributes.set("polysock.seconds", connection.age.as_secs_f64());
    let begin = SpanStart {
        context,
        parent: Parent::None,
        took: Duration::ZERO,
    };
    let mut links = SpanLinks::default();
    links.links = vec![Link::new(opened, Vec::new(), 0)];
    SpanData {
        name: "websocket close".into(),
        span_kind: SpanKind::Internal,
        links,
        ..span(begin, now, attributes, Status::Unset)
    }
}

fn span(begin: SpanStart, end: SystemTime, attributes: Attributes, status: Status) -> SpanData {
    let parent = match begin.parent {
        Parent::None => None,
        Parent::Remote(parent) => Some(parent),
    };
    SpanData {
        span_context: begin.context,
        parent_span_id: parent.unwrap_or(SpanId::INVALID),
        parent_span_is_remote: parent.is_some(),
        span_kind: SpanKind::Server,
        name: "websocket handshake".into(),
        start_time: end.checked_sub(begin.took).unwrap_or(end),
        end_time: end,
        attributes: attributes.0,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: InstrumentationScope::builder("polysock")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    }
}

/// The attributes common to both spans of a connection.
fn of_connection(connection: &Described<'_>) -> Attributes {
    let mut attributes = Attributes::of(Some(connection.protocol));
    attributes.target(Some(connection.target));
    attributes.peer(connection.peer);
    let text = |text: Option<&str>| text.map(str::to_owned);
    attributes.some("user_agent.original", text(connection.user_agent));
    attributes.set("polysock.connection.id", connection.id.to_string());
    attributes.set("polysock.transport", connection.transport);
    attributes.some("polysock.route", text(connection.route));
    attributes.some("polysock.upstream", text(connection.upstream));
    attributes.some("polysock.origin", text(connection.origin));
    attributes
}

/// The attributes of a span. Those of the semantic conventions have their standard names, ours have
/// a prefix.
struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// The attributes of a protocol, if the client speaks one.
    fn of(protocol: Option<&'static str>) -> Self {
        let mut attributes = Self(Vec::with_capacity(20));
        if let Some(protocol) = protocol {
            attributes.set("network.protocol.name", "websocket");
            let mut protocols = PROTOCOLS.iter();
            let known = protocols.find(|known| known.name() == protocol);
            let version = known.and_then(|known| known.version());
            attributes.some(
                "network.protocol.version",
                version.map(|version| version.to_string()),
            );
            attributes.set("polysock.protocol", protocol);
        }
        attributes
    }

    fn target(&mut self, target: Option<&str>) {
        let Some(target) = target else { return };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        self.set("url.path", path.to_owned());
        self.some("url.query", query.map(str::to_owned));
    }

    /// Adds the client's address, in the form that the log has.
    fn peer(&mut self, peer: Option<&str>) {
        let Some(peer) = peer else { return };
        // A proxy in front may not send the port.
        let address = peer.parse::<SocketAddr>();
        let (address, port) = match address {
            Ok(address) => (Some(address.ip()), Some(address.port())),
            Err(_) => (peer.parse::<IpAddr>().ok(), None),
        };
        let shown = address.map_or_else(|| peer.to_owned(), |address| address.to_string());
        self.set("client.address", shown);
        self.some("client.port", port.map(i64::from));
    }

    fn some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push(KeyValue::new(name, value));
    }
}
