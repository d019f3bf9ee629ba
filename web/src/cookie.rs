//! Cookies, parsed in the same manner as by the framework that has set them.

use percent_encoding::percent_decode;

/// The manner in which the `Cookie` fields of a request are parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As in PHP: of cookies with one name, the first counts; values are URL-decoded.
    Php,
    /// As in the package `cookie` of Node: the first counts; values are unquoted and URL-decoded.
    Node,
    /// As in the package `cookies` of Node: the first counts; values are unquoted but not decoded.
    NodeRaw,
    /// As in Django: the last counts; values are unquoted.
    Django,
}

impl Reading {
    /// Returns the value of the cookie with this name in the `Cookie` fields of a request.
    pub(crate) fn value(self, fields: &[&[u8]], name: &str) -> Option<Vec<u8>> {
        let pairs = fields.iter();
        let mut pairs = pairs.flat_map(|field| field.split(|byte| *byte == b';'));
        let name = name.as_bytes();
        match self {
            // The first match counts even if it is an array, which has no value.
            Self::Php => pairs.find_map(|pair| of_php(pair, name))?,
            Self::Node => pairs.find_map(|pair| {
                let (other, value) = halves(pair.trim_ascii())?;
                let is_it = other.trim_ascii_end() == name;
                is_it.then(|| percent_decode(unquoted(value.trim_ascii_start())).collect())
            }),
            Self::NodeRaw => pairs.find_map(|pair| {
                let (other, value) = halves(pair.trim_ascii_start())?;
                (other == name).then(|| unquoted(value).to_vec())
            }),
            Self::Django => pairs.rev().find_map(|pair| {
                let (other, value) = halves(pair)?;
                (other.trim_ascii() == name).then(|| unquoted(value.trim_ascii()).to_vec())
            }),
        }
    }
}

/// Parses `NAME=VALUE` as PHP does. `None` if it is not the variable of this name, `Some(None)` if
/// the variable is an array.
fn of_php(pair: &[u8], name: &[u8]) -> Option<Option<Vec<u8>>> {
    // The whitespace of C's `isspace`, which includes the vertical tab.
    let start = pair.iter().position(|byte| !matches!(byte, b' ' | 9..=13));
    let pair = pair.get(start?..)?;
    let (raw, value) = halves(pair).unwrap_or((pair, b""));
    let (own, is_array) = variable(raw);
    // PHP 8.2.24 and newer ignores a name that gets a prefix reserved by browsers only by the
    // conversion.
    let guarded: [&[u8]; 2] = [b"__Host-", b"__Secure-"];
    let is_forged = |prefix: &[u8]| own.starts_with(prefix) && !raw.starts_with(prefix);
    if own != name || guarded.into_iter().any(is_forged) {
        return None;
    }
    Some((!is_array).then(|| percent_decode(value).collect()))
}

/// Returns the PHP variable that a name is converted to, and whether it is an array.
fn variable(name: &[u8]) -> (Vec<u8>, bool) {
    let open = name.iter().position(|byte| *byte == b'[');
    let is_array = open.is_some_and(|at| {
        let index = name.get(at..).unwrap_or_default();
        at > 0 && index.contains(&b']')
    });
    let own = match open {
        Some(at) if is_array => name.get(..at).unwrap_or_default(),
        _ => name,
    };
    let own = own.iter().map(|byte| match byte {
        b'.' | b' ' | b'[' => b'_',
        other => *other,
    });
    (own.collect(), is_array)
}

/// Splits at the first `=`.
fn halves(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    Some((pair.get(..at)?, pair.get(at + 1..)?))
}

fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value.strip_prefix(b"\"");
    let inner = inner.and_then(|value| value.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_as_php_finds_it() {
        for (field, expected) in [
            ("PHPSESSID=abc", Some("abc")),
            // R8: a name that is also an attribute of Set-Cookie is a cookie like any other.
            ("path=/x; PHPSESSID=abc", Some("abc")),
            ("expires=1; domain=a; PHPSESSID=abc", Some("abc")),
            // R8: an invalid pair does not end the parsing.
            ("junk; PHPSESSID=x", Some("x")),
            ("; ;=;a; PHPSESSID=x", Some("x")),
            // R8: values are URL-decoded.
            ("PHPSESSID=a%2Cb%2d", Some("a,b-")),
            ("PHPSESSID=a+b", Some("a+b")),
            ("PHPSESSID=\"abc\"", Some("\"abc\"")),
            ("PHPSESSID=a=b", Some("a=b")),
            ("PHPSESSID=", Some("")),
            ("PHPSESSID=first; PHPSESSID=second", Some("first")),
            ("phpsessid=a; PHPSESSID=b", Some("b")),
            (" \tPHPSESSID=a", Some("a")),
            ("PHPSESSID =a; PHPSESSID=b", Some("b")),
            ("PHPSESSID[x]=a; PHPSESSID=b", None),
            ("PHPSESSID", Some("")),
            ("PHPSESSIDX=a", None),
            ("", None),
        ] {
            let found = Reading::Php.value(&[field.as_bytes()], "PHPSESSID");
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{field}");
        }
        let found = |field: &str, name| Reading::Php.value(&[field.as_bytes()], name);
        assert_eq!(found("a.b=1", "a_b"), Some(b"1".to_vec()));
        assert_eq!(found("a b=1", "a_b"), Some(b"1".to_vec()));
        assert_eq!(found("a[b=1", "a_b"), Some(b"1".to_vec()));
        assert_eq!(found("..Host-a=1", "__Host-a"), None);
        assert_eq!(found("__Host-a=1", "__Host-a"), Some(b"1".to_vec()));
        let two: [&[u8]; 2] = [b"a=1", b"PHPSESSID=2"];
        assert_eq!(Reading::Php.value(&two, "PHPSESSID"), Some(b"2".to_vec()));
    }

    #[test]
    fn each_framework_reads_in_its_way() {
        for (reading, field, expected) in [
            (Reading::Node, "a=1; s=x; s=y", Some("x")),
            (Reading::Node, "s = \"x%3Ay\" ", Some("x:y")),
            (Reading::NodeRaw, "s=x%3Ay; s=2", Some("x%3Ay")),
            (Reading::Django, "s=x; s=\"y:1\"", Some("y:1")),
            (Reading::Django, "s", None),
        ] {
            let found = reading.value(&[field.as_bytes()], "s");
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{field}");
        }
    }
}
