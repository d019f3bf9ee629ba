//! The target of a request (RFC 9112 §3.2), and its path.

use memchr::memchr3;

use super::Head;

/// A segment of a path that is relative to another instead of a name (RFC 3986 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DotSegment {
    /// `.`: the current segment.
    Same,
    /// `..`: the parent segment.
    Parent,
}

impl DotSegment {
    /// Returns the dot segment that a path contains as any server might read it: encoded, after a
    /// backslash, or with parameters. `..` takes precedence over `.`. `None` if there is none.
    pub fn find(path: &[u8]) -> Option<Self> {
        let is_suspect = |pair: &[u8]| matches!(pair, b"/." | [b'%' | b'\\', _]);
        if !path.starts_with(b".") && !path.windows(2).any(is_suspect) {
            return None;
        }
        let mut plain = String::from_utf8_lossy(path).to_ascii_lowercase();
        for (encoded, character) in [
            ("%2e", "."),
            ("%2f", "/"),
            ("%5c", "/"),
            ("\\", "/"),
            ("%3b", ";"),
        ] {
            plain = plain.replace(encoded, character);
        }
        let of_segment = |segment: &str| match segment.split(';').next() {
            Some(".") => Some(Self::Same),
            Some("..") => Some(Self::Parent),
            _ => None,
        };
        plain.split('/').filter_map(of_segment).max()
    }
}

impl Head {
    /// Returns the path of a request's target, without scheme, authority and query; `/` if it is
    /// empty.
    pub fn path(&self) -> &[u8] {
        let target = origin_form(self.target());
        let end = target.iter().position(|byte| *byte == b'?');
        match target.get(..end.unwrap_or(target.len())) {
            None | Some([]) => b"/",
            Some(path) => path,
        }
    }
}

/// Returns the target without scheme and authority, which proxies and old tools send (absolute
/// form). The path may be empty, with or without a query.
pub(crate) fn origin_form(target: &[u8]) -> &[u8] {
    if target.starts_with(b"/") {
        return target;
    }
    let Some(after) = [&b"http://"[..], b"https://", b"ws://", b"wss://"]
        .iter()
        .find_map(|scheme| {
            let (start, after) = target.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(after)
        })
    else {
        return target;
    };
    memchr3(b'/', b'?', b'#', after)
        .and_then(|at| after.get(at..))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::HeadLimits;
    use super::*;

    #[test]
    fn strips_scheme_and_authority_of_a_target() {
        for (target, expected, path) in [
            ("/a?b", "/a?b", "/a"),
            ("http://h:1/a?", "/a?", "/a"),
            ("WS://h", "", "/"),
            ("ws://h?x=/1", "?x=/1", "/"),
            ("ws://h#/a", "#/a", "#/a"),
            ("wss://h/", "/", "/"),
            ("*", "*", "*"),
        ] {
            assert_eq!(origin_form(target.as_bytes()), expected.as_bytes());
            let head = format!("GET {target} HTTP/1.1\r\n\r\n");
            let head = Head::parse(head.as_bytes(), head.len(), &HeadLimits::default());
            assert_eq!(head.unwrap().path(), path.as_bytes(), "{target}");
        }
    }

    #[test]
    fn finds_dot_segments_however_they_are_written() {
        let (same, parent) = (Some(DotSegment::Same), Some(DotSegment::Parent));
        for (path, expected) in [
            ("/a/b.js", None),
            ("/.well-known/a..b/..c", None),
            ("/%2e%2e%2e/a%20b", None),
            ("/./a", same),
            ("/a/.", same),
            ("/%2E/a", same),
            ("/a/.;b/c", same),
            ("/..", parent),
            ("..", parent),
            ("/a/../b/./c", parent),
            ("/a/%2e%2E/", parent),
            ("/a/.%2e", parent),
            ("/a%2f..%2fb", parent),
            ("/a\\..\\b", parent),
            ("/a%5C..", parent),
            ("/..;a=1/b", parent),
            ("/..%3Ba/b", parent),
        ] {
            assert_eq!(DotSegment::find(path.as_bytes()), expected, "{path}");
        }
    }
}
