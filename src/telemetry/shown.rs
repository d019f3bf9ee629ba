//! The display of queries in the log.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

static ARE_QUERIES_SHOWN: AtomicBool = AtomicBool::new(true);

/// Sets, for the whole process, whether log lines show the values in the queries of targets and
/// upstreams. The default is to show them. Secrets recognised by name or form are never shown.
pub fn show_queries(are_shown: bool) {
    ARE_QUERIES_SHOWN.store(are_shown, Ordering::Relaxed);
}

/// Returns a target or a URL, without the values of its query unless those are shown.
pub(super) fn shown(url: Cow<'_, str>) -> Cow<'_, str> {
    if ARE_QUERIES_SHOWN.load(Ordering::Relaxed) || !url.contains('?') {
        return url;
    }
    Cow::Owned(without_values(&url))
}

/// Replaces each value with `***`. A parameter without a name is treated as a value.
fn without_values(url: &str) -> String {
    let Some((path, rest)) = url.split_once('?') else {
        return url.to_owned();
    };
    let (query, fragment) = match rest.find('#') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let parameters = query.split('&').map(|parameter| {
        let name = parameter.split_once('=').map(|(name, _)| name);
        match name {
            Some(name) => Cow::Owned(format!("{name}=***")),
            None if parameter.is_empty() => Cow::Borrowed(""),
            None => Cow::Borrowed("***"),
        }
    });
    let query = parameters.collect::<Vec<_>>().join("&");
    format!("{path}?{query}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_and_values_are_not() {
        for (url, expected) in [
            ("/a", "/a"),
            ("/a?", "/a?"),
            ("/a?b=c&d=&=e", "/a?b=***&d=***&=***"),
            ("/a?b=c=d?e", "/a?b=***"),
            ("/a?eyJhbGciOi", "/a?***"),
            ("/a?b&&c=1", "/a?***&&c=***"),
            ("ws://a:1/b?c=d#e", "ws://a:1/b?c=***#e"),
        ] {
            assert_eq!(without_values(url), expected, "{url}");
        }
    }
}
