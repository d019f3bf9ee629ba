//! Prefixes of URIs.

use std::borrow::Cow;
use std::collections::HashMap;

use super::limits::Limits;
use super::message_error::MessageError;

/// The URI prefixes that one client has defined.
#[derive(Debug, Default)]
pub(super) struct Prefixes(HashMap<Box<str>, Box<str>>);

impl Prefixes {
    /// Defines a prefix, or redefines it.
    pub(super) fn define(
        &mut self,
        prefix: &str,
        uri: &str,
        limits: &Limits,
    ) -> Result<(), MessageError> {
        if self.0.len() >= limits.prefixes && !self.0.contains_key(prefix) {
            return Err(MessageError::TooMany {
                what: "prefixes",
                max: limits.prefixes,
            });
        }
        self.0.insert(prefix.into(), uri.into());
        Ok(())
    }

    /// Resolves a URI: if the part before the first colon is a defined prefix, replaces it and the
    /// colon by the URI of the prefix. If `inserts_hash` is set, inserts `#` after the URI, unless
    /// it ends in `#`, `/`, `:` or `=`.
    pub(super) fn resolve<'a>(
        &self,
        uri: Cow<'a, str>,
        inserts_hash: bool,
        limits: &Limits,
    ) -> Result<Cow<'a, str>, MessageError> {
        let shortened = uri.split_once(':');
        let Some((beginning, rest)) =
            shortened.and_then(|(prefix, rest)| Some((self.0.get(prefix)?, rest)))
        else {
            return Ok(uri);
        };
        // Ratchet inserts `#` even after a `#`, so that `…calc#` becomes `…calc##add`; we do not.
        let between = match inserts_hash && !beginning.ends_with(['#', '/', ':', '=']) {
            true => "#",
            false => "",
        };
        let resolved = [beginning, between, rest].concat();
        match resolved.len() > limits.uri {
            true => Err(MessageError::TooLong {
                what: "URI",
                len: resolved.len(),
                max: limits.uri,
            }),
            false => Ok(Cow::Owned(resolved)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(prefix: &str, uri: &str, shortened: &str, inserts_hash: bool) -> String {
        let limits = Limits::default();
        let mut prefixes = Prefixes::default();
        prefixes.define("other", "http://other/", &limits).unwrap();
        prefixes.define(prefix, uri, &limits).unwrap();
        let resolved = prefixes.resolve(shortened.into(), inserts_hash, &limits);
        resolved.unwrap().into_owned()
    }

    #[test]
    fn a_curie_is_resolved_to_its_prefix_and_the_rest() {
        const CALC: &str = "http://example.com/calc";
        for (end, between) in [
            ("#", ""),
            ("/", ""),
            (":", ""),
            ("=", ""),
            ("", "#"),
            ("?", "#"),
        ] {
            let uri = format!("{CALC}{end}");
            let plain = resolve("calc", &uri, "calc:add", false);
            assert_eq!(plain, format!("{uri}add"));
            let ratchets = resolve("calc", &uri, "calc:add", true);
            assert_eq!(ratchets, format!("{uri}{between}add"));
        }
        for (prefix, uri, shortened, expected) in [
            // The rest may contain colons and URIs.
            ("p", "http://p/", "p:x:y", "http://p/x:y"),
            ("p", "http://p/", "p:http://q/", "http://p/http://q/"),
            ("p", "http://p/", "p:", "http://p/"),
            ("", "http://p/", ":x", "http://p/x"),
            // Prefixes are not resolved twice, and undefined ones are kept.
            ("p", "other:", "p:x", "other:x"),
            ("p", "http://p/", "q:x", "q:x"),
            ("p", "http://p/", "p", "p"),
            ("p", "http://p/", "P:x", "P:x"),
            ("p", "http://p/", "http://p:x/", "http://p:x/"),
            ("http", "urn:", "http://p/", "urn://p/"),
            // A prefix with a colon never matches, because only the part before the first colon is
            // compared.
            ("a:b", "http://p/", "a:b:c", "a:b:c"),
        ] {
            let resolved = resolve(prefix, uri, shortened, false);
            assert_eq!(resolved, expected, "{prefix} {shortened}");
        }
    }

    #[test]
    fn prefixes_are_limited_and_the_last_definition_counts() {
        let limits = Limits {
            prefixes: 2,
            uri: 10,
            ..Limits::default()
        };
        let mut prefixes = Prefixes::default();
        prefixes.define("a", "urn:1", &limits).unwrap();
        prefixes.define("b", "urn:2", &limits).unwrap();
        prefixes.define("a", "urn:3", &limits).unwrap();
        let error = prefixes.define("c", "urn:4", &limits).unwrap_err();
        assert_eq!(error.to_string(), "more than 2 prefixes");
        let resolved = prefixes.resolve("a:12345".into(), false, &limits).unwrap();
        assert_eq!(resolved, "urn:312345");
        let error = prefixes.resolve("a:123456".into(), false, &limits);
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "a URI of 11 bytes is over the limit of 10");
    }
}
