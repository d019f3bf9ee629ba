//! Lines in the Elastic Common Schema.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};

use tracing::Event;
use tracing::field::{Field, Visit};

use super::clock::push_time;
use super::kind::Kind;
use super::object::Object;

/// The version of the schema whose fields are used.
const VERSION: &str = "8.17.0";

/// The schema's names of fields whose values are the same there. All other fields get the prefix
/// `polysock.`.
const NAMES: &[(&str, &str)] = &[
    ("message", "message"),
    ("user_agent", "user_agent.original"),
    ("host", "url.domain"),
    ("method", "http.request.method"),
    ("status", "http.response.status_code"),
    ("received", "source.bytes"),
    ("tls_cipher", "tls.cipher"),
    ("id", "event.id"),
    ("trace_id", "trace.id"),
    ("error", "error.message"),
    ("code", "polysock.close.code"),
    ("by", "polysock.close.by"),
    ("clean", "polysock.close.clean"),
];

/// Writes an event as a JSON object with the names of the Elastic Common Schema, 8.
pub(super) fn push_ecs(line: &mut String, event: &Event<'_>, kind: Option<Kind>) {
    let mut object = Object::begin(line);
    object.written(("", "@timestamp"), push_time);
    object.written(("", "log.level"), |text| {
        let level = event.metadata().level().as_str();
        text.extend(level.chars().map(|letter| letter.to_ascii_lowercase()));
    });
    let mut fields = Fields {
        object,
        kind,
        outcome: Outcome::of(kind),
    };
    event.record(&mut fields);
    let Fields {
        mut object,
        outcome,
        ..
    } = fields;
    object.text(("", "ecs.version"), VERSION);
    object.text(("", "service.name"), "polysock");
    if let Some(kind) = kind {
        let (category, types) = match kind {
            Kind::Open => (r#"["network"]"#, r#"["connection","start"]"#),
            Kind::Close => (r#"["network"]"#, r#"["connection","end"]"#),
            Kind::Request => (r#"["web"]"#, r#"["access"]"#),
            Kind::Reject | Kind::Refuse => (r#"["network"]"#, r#"["connection","denied"]"#),
        };
        object.text(("", "event.kind"), "event");
        object.raw(("", "event.category"), category);
        object.raw(("", "event.type"), types);
        object.text(("", "event.action"), kind.name());
        object.text(("", "event.outcome"), outcome.name());
        match kind {
            Kind::Open | Kind::Close | Kind::Reject => {
                object.text(("", "network.protocol"), "websocket");
            }
            Kind::Request => object.text(("", "network.protocol"), "http"),
            Kind::Refuse => {}
        }
    }
    object.end();
}

/// The outcome of an event.
#[derive(Clone, Copy)]
enum Outcome {
    Success,
    Failure,
    Unknown,
}

impl Outcome {
    /// The initial outcome for an event of this kind.
    fn of(kind: Option<Kind>) -> Self {
        match kind {
            Some(Kind::Open) => Self::Success,
            Some(Kind::Reject | Kind::Refuse) => Self::Failure,
            Some(Kind::Close | Kind::Request) | None => Self::Unknown,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

struct Fields<'a> {
    object: Object<'a>,
    kind: Option<Kind>,
    outcome: Outcome,
}

impl Fields<'_> {
    /// The name of a field in the schema, as prefix and name.
    fn name<'b>(&self, field: &'b Field) -> (&'static str, &'b str) {
        match (field.name(), self.kind) {
            ("sent", Some(Kind::Request)) => return ("", "http.response.body.bytes"),
            ("sent", _) => return ("", "destination.bytes"),
            ("reason", Some(Kind::Close)) => return ("", "polysock.close.reason"),
            ("reason", Some(_)) => return ("", "event.reason"),
            _ => {}
        }
        let known = NAMES.iter().find(|(name, _)| *name == field.name());
        known.map_or(("polysock.", field.name()), |(_, known)| ("", known))
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "peer" => {
                let ip = |address: SocketAddr| (address.ip(), Some(address.port()));
                let address = value.parse().map(ip);
                match address.or_else(|_| value.parse::<IpAddr>().map(|ip| (ip, None))) {
                    Ok((ip, port)) => {
                        self.object.shown(("", "client.ip"), &ip);
                        if let Some(port) = port {
                            self.object.unsigned(("", "client.port"), port.into());
                        }
                    }
                    Err(_) => self.object.text(("", "client.address"), value),
                }
            }
            "target" if self.kind.is_some() => {
                let (path, query) = match value.split_once('?') {
                    Some((path, query)) => (path, Some(query)),
                    None => (value, None),
                };
                self.object.text(("", "url.path"), path);
                if let Some(query) = query {
                    self.object.text(("", "url.query"), query);
                }
            }
            "tls" | "tls_version" => {
                let version = value
                    .trim_start_matches("TLS")
                    .trim_start_matches(['v', ' ']);
                self.object.text(("", "tls.version"), version);
                self.object.text(("", "tls.version_protocol"), "tls");
            }
            "over" => {
                let version = value.trim_start_matches("HTTP/");
                self.object.text(("", "http.version"), version);
            }
            _ => self.object.text(self.name(field), value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" && matches!(self.kind, Some(Kind::Request)) {
            self.outcome = match value {
                400.. => Outcome::Failure,
                _ => Outcome::Success,
            };
        }
        self.object.unsigned(self.name(field), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.object.signed(self.name(field), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "seconds" {
            let nanoseconds = (value * 1e9).round().max(0.0);
            let mut digits = format!("{nanoseconds:.0}");
            if digits.bytes().any(|byte| !byte.is_ascii_digit()) {
                digits = "null".to_owned();
            }
            return self.object.raw(("", "event.duration"), &digits);
        }
        self.object.fraction(self.name(field), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        match (field.name(), value) {
            ("clean", true) => self.outcome = Outcome::Success,
            ("clean" | "complete", false) => self.outcome = Outcome::Failure,
            _ => {}
        }
        self.object.truth(self.name(field), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.object.shown(("", "message"), value),
            _ => self.record_str(field, &format!("{value:?}")),
        }
    }
}
