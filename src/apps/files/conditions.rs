//! Conditional requests (RFC 9110 §13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{
    ETAG, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};

use super::{Served, put};

/// The validators of a file, which identify one state of it.
pub(super) struct Validators {
    /// The entity tag, from the length, the modification time in nanoseconds, and the encoding.
    tag: String,
    /// The modification time, in whole seconds.
    modified: Option<SystemTime>,
}

/// The result of the conditions of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Precondition {
    Yes,
    /// The client's copy is current.
    NotModified,
    No,
}

impl Validators {
    pub(super) fn of(file: &Served) -> Self {
        let since = file
            .modified
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let nanos = since.map_or(0, |since| since.as_nanos());
        let encoding = file.encoding.unwrap_or_default();
        Self {
            tag: format!("\"{:x}-{nanos:x}{encoding}\"", file.len),
            modified: since.map(|since| UNIX_EPOCH + Duration::from_secs(since.as_secs())),
        }
    }

    /// Adds the validators to a response.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        put(headers, ETAG, &self.tag);
        if let Some(modified) = self.modified {
            put(headers, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
        }
    }

    /// Checks the conditions in the order of RFC 9110 §13.2.2.
    pub(super) fn check(&self, headers: &HeaderMap) -> Precondition {
        let since = |name| date(headers, &name).zip(self.modified);
        let changed = if headers.contains_key(IF_MATCH) {
            !self.is_listed(headers, &IF_MATCH, Comparison::Strong)
        } else {
            since(IF_UNMODIFIED_SINCE).is_some_and(|(date, modified)| modified > date)
        };
        let known = if headers.contains_key(IF_NONE_MATCH) {
            self.is_listed(headers, &IF_NONE_MATCH, Comparison::Weak)
        } else {
            since(IF_MODIFIED_SINCE).is_some_and(|(date, modified)| modified <= date)
        };
        match (changed, known) {
            (true, _) => Precondition::No,
            (false, true) => Precondition::NotModified,
            (false, false) => Precondition::Yes,
        }
    }

    /// Whether a range may be served: the client's `If-Range` matches the file (RFC 9110 §13.1.5).
    pub(super) fn allow_range(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(IF_RANGE) else {
            return true;
        };
        value.as_bytes() == self.tag.as_bytes()
            || date(headers, &IF_RANGE).is_some_and(|date| Some(date) == self.modified)
    }

    fn is_listed(&self, headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> bool {
        let lines = headers.get_all(name).iter();
        let mut elements = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        elements.any(|element| {
            let element = element.trim_ascii();
            let tag = match comparison {
                Comparison::Weak => element.strip_prefix(b"W/").unwrap_or(element),
                Comparison::Strong => element,
            };
            tag == b"*" || tag == self.tag.as_bytes()
        })
    }
}

/// The comparison of entity tags (RFC 9110 §8.8.3.2).
#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let value = headers.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(value).ok()
}
