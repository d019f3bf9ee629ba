//! The changes to fields that are forwarded: some are set, added or dropped.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use polysock_protocols::Fields;
use polysock_protocols::http::is_token;
use thiserror::Error;

use crate::transport::{Peer, VARIABLES, is_variable};

/// The changes to the fields of a request or an answer that is forwarded. First fields are dropped,
/// then others are set, which replaces existing ones, and then others are added to existing ones.
///
/// The values for a request may contain variables. `{tls.client}` is the distinguished name in the
/// certificate of the client, `{tls.client_name}` its common name; `{tls.version}`,
/// `{tls.cipher_suite}` and `{tls.server_name}` are the parameters of its TLS connection.
/// `{auth.user}`, `{auth.claim.NAME}` and `{auth.field.NAME}` are the results of a
/// [policy](crate::Policy) ([`Authenticated`](crate::Authenticated)), and `{session.PATH}` is a
/// value in the session of a web app ([`SessionVariables`](crate::SessionVariables)). A field with
/// a variable that has no value is not sent; if it was to be set, the client's field of that name
/// is removed all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderPolicy {
    drop: Vec<ByteString>,
    set: Fields,
    add: Fields,
}

/// The reason why a field cannot be dropped, set or added.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The name is not valid for a field.
    #[error("`{0}` is not a field name: use letters, digits and hyphens, as in X-Request-Id")]
    Name(String),
    /// The value contains a control character, such as a line end.
    #[error("the value of {0} has a line end or another control character")]
    Value(String),
    /// The field is hop-by-hop, frames a body, or belongs to an opening handshake; each side has
    /// its own.
    #[error("{0} belongs to one connection: each side sends its own")]
    OneSide(String),
    /// The variable is unknown.
    #[error("unknown variable {{{0}}}; known are {known}", known = known())]
    Variable(String),
    /// The field is `Host`, which has a setting of its own.
    #[error("Host cannot be set as a field: use the setting `host`")]
    Host,
}

/// The fields that belong to one connection or message (RFC 9110 §7.6.1).
const OF_ONE_SIDE: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl HeaderPolicy {
    /// Drops the fields of this name.
    ///
    /// # Errors
    ///
    /// The name is invalid, or each side has its own field of that name.
    pub fn drop(&mut self, name: &str) -> Result<(), FieldError> {
        check(name, "")?;
        self.drop.push(name.into());
        Ok(())
    }

    /// Sets a field. Existing fields of this name are replaced.
    ///
    /// # Errors
    ///
    /// The name or the value is invalid, or each side has its own field of that name.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), FieldError> {
        check(name, value)?;
        self.set.append(name, value.to_owned());
        Ok(())
    }

    /// Adds a field. Existing fields of this name stay.
    ///
    /// # Errors
    ///
    /// The name or the value is invalid, or each side has its own field of that name.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), FieldError> {
        check(name, value)?;
        self.add.append(name, value.to_owned());
        Ok(())
    }

    /// Applies the changes to the fields of a request of this peer, or of an answer if `peer` is
    /// `None`.
    pub(crate) fn apply(&self, fields: &mut impl FieldMap, peer: Option<&Peer>) {
        if *self == Self::default() {
            return;
        }
        let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
        let goes =
            |name: &str| self.drop.iter().any(|dropped| is(dropped, name)) || self.set.has(name);
        if !self.drop.is_empty() || self.set != Fields::new() {
            fields.remove_all(&goes);
        }
        for (name, value) in self.set.clone().into_iter().chain(self.add.clone()) {
            if let Some(value) = filled(value, peer) {
                fields.add(&name, value);
            }
        }
    }
}

/// Fills in the variables of a value; `None` if one of them has no value.
fn filled(value: Bytes, peer: Option<&Peer>) -> Option<Bytes> {
    let text = std::str::from_utf8(&value).unwrap_or_default();
    if variables(text).next().is_none() {
        return Some(value);
    }
    let (mut filled, mut end) = (String::new(), 0);
    for Variable { at, name } in variables(text) {
        let told = peer?.variable(name)?;
        if told.contains(char::is_control) {
            return None;
        }
        filled.push_str(text.get(end..at.start).unwrap_or_default());
        filled.push_str(&told);
        end = at.end;
    }
    filled.push_str(text.get(end..).unwrap_or_default());
    Some(filled.into())
}

/// A variable in a value, and its position, including the braces.
struct Variable<'a> {
    at: Range<usize>,
    name: &'a str,
}

/// Finds the variables in a value. Other text in braces is left alone.
fn variables(text: &str) -> impl Iterator<Item = Variable<'_>> {
    let braces = text.match_indices('{');
    braces.filter_map(|(start, _)| {
        let rest = text.get(start + 1..)?;
        let kinds = ["tls.", "auth.", "session."];
        if !kinds.iter().any(|kind| rest.starts_with(kind)) {
            return None;
        }
        let (name, _) = rest.split_once('}')?;
        Some(Variable {
            at: start..start + name.len() + 2,
            name,
        })
    })
}

fn check(name: &str, value: &str) -> Result<(), FieldError> {
    if !is_token(name) {
        return Err(FieldError::Name(name.to_owned()));
    }
    let lower = name.to_ascii_lowercase();
    let is_of_handshake = ["sec-websocket-", "websocket-"]
        .iter()
        .any(|prefix| lower.starts_with(prefix));
    if is_of_handshake || OF_ONE_SIDE.contains(&&*lower) {
        return Err(FieldError::OneSide(name.to_owned()));
    }
    if lower == "host" {
        return Err(FieldError::Host);
    }
    if value.contains(|c: char| c.is_control() && c != '\t') {
        return Err(FieldError::Value(name.to_owned()));
    }
    let mut names = variables(value).map(|variable| variable.name);
    match names.find(|name| !is_variable(name)) {
        Some(name) => Err(FieldError::Variable(name.to_owned())),
        None => Ok(()),
    }
}

/// Lists the known variables, for an error text.
fn known() -> String {
    let known = VARIABLES.iter().map(|name| format!("{{{name}}}"));
    known.collect::<Vec<_>>().join(", ")
}

/// The fields of a handshake or of an ordinary request, which can be changed.
pub(crate) trait FieldMap {
    /// Returns the value of a field; the values of several lines are joined with a comma and a
    /// space.
    fn joined(&self, name: &str) -> Option<String>;

    /// Removes the fields for whose name `is_such` returns true.
    fn remove_all(&mut self, is_such: &dyn Fn(&str) -> bool);

    /// Adds a field.
    fn add(&mut self, name: &str, value: Bytes);

    /// Adds a field whose name is already parsed.
    fn add_known(&mut self, name: &'static KnownName, value: Bytes);
}

/// A field name, prepared for each type of field map.
pub(crate) struct KnownName {
    written: &'static str,
    name: HeaderName,
}

impl KnownName {
    pub(crate) const fn new(written: &'static str, lower_case: &'static str) -> Self {
        Self {
            written,
            name: HeaderName::from_static(lower_case),
        }
    }
}

impl FieldMap for Fields {
    fn joined(&self, name: &str) -> Option<String> {
        let named = self
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        joined(named.map(|(_, value)| value))
    }

    fn remove_all(&mut self, is_such: &dyn Fn(&str) -> bool) {
        let fields = std::mem::take(self);
        self.extend(fields.into_iter().filter(|(name, _)| !is_such(name)));
    }

    fn add(&mut self, name: &str, value: Bytes) {
        self.append(name, value);
    }

    fn add_known(&mut self, name: &'static KnownName, value: Bytes) {
        self.append(ByteString::from_static(name.written), value);
    }
}

impl FieldMap for HeaderMap {
    fn joined(&self, name: &str) -> Option<String> {
        joined(self.get_all(name).iter().map(HeaderValue::as_bytes))
    }

    fn remove_all(&mut self, is_such: &dyn Fn(&str) -> bool) {
        let such = self.keys().filter(|name| is_such(name.as_str()));
        for name in such.cloned().collect::<Vec<_>>() {
            self.remove(name);
        }
    }

    fn add(&mut self, name: &str, value: Bytes) {
        // A configured field was checked before, and a field from a client was valid.
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_maybe_shared(value),
        ) {
            self.append(name, value);
        }
    }

    fn add_known(&mut self, name: &'static KnownName, value: Bytes) {
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            self.append(&name.name, value);
        }
    }
}

fn joined<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut values = values.map(String::from_utf8_lossy);
    let first = values.next()?.into_owned();
    Some(values.fold(first, |joined, value| joined + ", " + &value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Authenticated, SessionVariables};

    fn policy() -> HeaderPolicy {
        let mut policy = HeaderPolicy::default();
        policy.drop("Cookie").unwrap();
        policy.set("x-set", "ours").unwrap();
        policy.set("Authorization", "Basic YQ==").unwrap();
        policy.add("X-Added", "2").unwrap();
        policy
    }

    const CAME: &[(&str, &str)] = &[
        ("cookie", "a=1"),
        ("X-Set", "theirs"),
        ("X-SET", "again"),
        ("x-added", "1"),
        ("accept", "a"),
        ("accept", "b"),
    ];

    #[test]
    fn fields_are_dropped_then_set_then_added_of_both_kinds_of_requests() {
        let mut fields: Fields = CAME.iter().copied().collect();
        policy().apply(&mut fields, None);
        let mut map = HeaderMap::new();
        for (name, value) in CAME {
            map.add(name, Bytes::from_static(value.as_bytes()));
        }
        policy().apply(&mut map, None);
        for (name, expected) in [
            ("cookie", None),
            ("x-set", Some("ours")),
            ("authorization", Some("Basic YQ==")),
            ("x-added", Some("1, 2")),
            ("accept", Some("a, b")),
        ] {
            assert_eq!(fields.joined(name).as_deref(), expected, "{name}");
            assert_eq!(map.joined(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_field_without_a_value_is_not_set() {
        let mut policy = HeaderPolicy::default();
        policy.set("X-Client", "of {tls.client}!").unwrap();
        policy.set("X-Json", "{\"a\": {}}").unwrap();
        policy.set("X-Open", "{tls.").unwrap();
        let mut fields: Fields = [("x-client", "made up")].into_iter().collect();
        policy.apply(&mut fields, Some(&Peer::default()));
        for (name, expected) in [
            ("x-client", None),
            ("x-json", Some("{\"a\": {}}")),
            ("x-open", Some("{tls.")),
        ] {
            assert_eq!(fields.joined(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn variables_are_replaced_by_known_values_and_expanded_once() {
        let mut authenticated = Authenticated::new(Some("ann {auth.claim.room}".into()));
        authenticated.claim("room", "7");
        authenticated.claim("two lines", "a\r\nb");
        authenticated.field("X-Group", "staff");
        let mut peer = Peer::default();
        peer.extensions.insert(authenticated);
        let session = |path: &str| match path {
            "user.id" => Some("42".to_owned()),
            "lines" => Some("a\r\nX-Admin: 1".to_owned()),
            _ => None,
        };
        peer.extensions.insert(SessionVariables::new(session));
        for (value, expected) in [
            ("{auth.user}", Some("ann {auth.claim.room}")),
            ("<{auth.claim.room}{auth.claim.room}>{", Some("<77>{")),
            ("{{auth.field.x-group}} {x}", Some("{staff} {x}")),
            ("a {auth.claim.none}", None),
            ("{auth.claim.two lines}", None),
            ("{auth.user} {tls.client}", None),
            ("{session.user.id}/{auth.claim.room}", Some("42/7")),
            ("{session.none}", None),
            ("{session.lines}", None),
        ] {
            let mut policy = HeaderPolicy::default();
            policy.set("X", value).unwrap();
            let mut fields: Fields = [("x", "made up")].into_iter().collect();
            policy.apply(&mut fields, Some(&peer));
            assert_eq!(fields.joined("x").as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn invalid_and_reserved_fields_are_refused() {
        for (name, value, expected) in [
            (
                "",
                "a",
                "`` is not a field name: use letters, digits and hyphens, as in X-Request-Id",
            ),
            (
                "A b",
                "a",
                "`A b` is not a field name: use letters, digits and hyphens, as in X-Request-Id",
            ),
            (
                "A",
                "a\r\nB: c",
                "the value of A has a line end or another control character",
            ),
            (
                "Upgrade",
                "a",
                "Upgrade belongs to one connection: each side sends its own",
            ),
            (
                "Sec-WebSocket-Key",
                "a",
                "Sec-WebSocket-Key belongs to one connection: each side sends its own",
            ),
            (
                "A",
                "{tls.nobody}",
                "unknown variable {tls.nobody}; known are {tls.client}, {tls.client_name}, {tls.version}, {tls.cipher_suite}, {tls.server_name}, {auth.user}, {auth.claim.NAME}, {auth.field.NAME}, {session.PATH}",
            ),
            (
                "A",
                "{auth.claim.}",
                "unknown variable {auth.claim.}; known are {tls.client}, {tls.client_name}, {tls.version}, {tls.cipher_suite}, {tls.server_name}, {auth.user}, {auth.claim.NAME}, {auth.field.NAME}, {session.PATH}",
            ),
            (
                "HOST",
                "a",
                "Host cannot be set as a field: use the setting `host`",
            ),
        ] {
            let mut policy = HeaderPolicy::default();
            assert_eq!(policy.set(name, value).unwrap_err().to_string(), expected);
            assert!(policy.add(name, value).is_err());
            assert_eq!(policy, HeaderPolicy::default());
        }
    }
}
