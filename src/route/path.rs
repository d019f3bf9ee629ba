//! The pattern for the paths of a route.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytestring::ByteString;
use percent_encoding::percent_decode;
use thiserror::Error;

use crate::upstream::Captures;

/// A pattern of paths.
///
/// | pattern | matching paths |
/// |---|---|
/// | `/api` | `/api` and everything below it, such as `/api/a`, but not `/apis` |
/// | `/api/` | `/api/` and everything below it |
/// | `=/chat` | only `/chat` |
/// | `/vnc/{token}` | `/vnc/` with one more segment, and everything below; the segment is the `token` in the [`Captures`] |
///
/// Percent-encoding in a path is decoded for the comparison: `/%61pi` matches `/api`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Named(Arc<str>),
}

/// The part of a path that may follow the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing, or anything below.
    Below,
    /// A slash, and anything after it.
    Slash,
    /// Nothing.
    Exact,
    /// A slash, and nothing after it.
    ExactSlash,
}

/// The reason why a text is not a path pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathPatternError {
    /// The text does not begin with `/` or `=/`.
    #[error("a path must begin with a slash: /chat, or =/chat for this path alone")]
    Slash,
    /// Two slashes are in a row.
    #[error("a path must not have an empty segment: write one slash in place of two")]
    Empty,
    /// The text contains `?` or `#`.
    #[error("a path must not contain `?` or `#`: a route matches with any query")]
    Query,
    /// A brace is misplaced, or a name is invalid.
    #[error(
        "`{{name}}` must be a whole segment, and its name of letters, digits, `_` and `-`: /vnc/{{token}}"
    )]
    Brace,
    /// Two segments have the same name.
    #[error("two segments are named `{0}`")]
    Twice(String),
}

impl PathPattern {
    /// Returns the captured segments of a path; `None` if the path does not match or a captured
    /// segment is not UTF-8.
    pub fn captures(&self, path: &[u8]) -> Option<Captures> {
        let mut captures = Captures::default();
        let mut rest = path.strip_prefix(b"/")?.split(|byte| *byte == b'/');
        for segment in &self.segments {
            let came = rest.next()?;
            match segment {
                Segment::Literal(literal) if is_same(came, literal) => {}
                Segment::Named(name) if !came.is_empty() => {
                    let came = ByteString::try_from(came).ok()?;
                    captures.insert(Arc::clone(name), came);
                }
                Segment::Literal(_) | Segment::Named(_) => return None,
            }
        }
        let matches = match (self.end, rest.next()) {
            (End::Below, _) | (End::Slash, Some(_)) | (End::Exact, None) => true,
            (End::ExactSlash, Some(last)) => last.is_empty() && rest.next().is_none(),
            (End::Slash | End::ExactSlash, None) | (End::Exact, Some(_)) => false,
        };
        matches.then_some(captures)
    }

    /// Returns the names of the captured segments.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Named(name) => Some(&**name),
            Segment::Literal(_) => None,
        })
    }

    /// The first segment, if it is a literal; `None` otherwise.
    pub(super) fn first(&self) -> Option<&str> {
        match self.segments.first()? {
            Segment::Literal(literal) => Some(literal),
            Segment::Named(_) => None,
        }
    }
}

/// True if a segment of a path equals this literal after percent-decoding.
fn is_same(came: &[u8], literal: &str) -> bool {
    came == literal.as_bytes() || came.contains(&b'%') && percent_decode(came).eq(literal.bytes())
}

impl FromStr for PathPattern {
    type Err = PathPatternError;

    fn from_str(text: &str) -> Result<Self, PathPatternError> {
        let (path, is_exact) = match text.strip_prefix('=') {
            Some(path) => (path, true),
            None => (text, false),
        };
        let path = path.strip_prefix('/').ok_or(PathPatternError::Slash)?;
        if path.contains(['?', '#']) {
            return Err(PathPatternError::Query);
        }
        // Every path begins with a slash, so `/` matches all paths; only in `=/` does the slash
        // count.
        let (path, has_slash) = match path.strip_suffix('/') {
            Some("") => return Err(PathPatternError::Empty),
            Some(path) => (path, true),
            None => (path, path.is_empty() && is_exact),
        };
        let mut segments: Vec<Segment> = Vec::new();
        for segment in path.split('/').filter(|_| !path.is_empty()) {
            let segment = read_segment(segment)?;
            if let Segment::Named(name) = &segment
                && segments.contains(&segment)
            {
                return Err(PathPatternError::Twice(name.to_string()));
            }
            segments.push(segment);
        }
        let end = match (is_exact, has_slash) {
            (false, false) => End::Below,
            (false, true) => End::Slash,
            (true, false) => End::Exact,
            (true, true) => End::ExactSlash,
        };
        Ok(Self { segments, end })
    }
}

fn read_segment(text: &str) -> Result<Segment, PathPatternError> {
    if text.is_empty() {
        return Err(PathPatternError::Empty);
    }
    if !text.contains(['{', '}']) {
        return Ok(Segment::Literal(text.to_owned()));
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let name = name.filter(|name| !name.is_empty() && name.chars().all(is_letter));
    Ok(Segment::Named(name.ok_or(PathPatternError::Brace)?.into()))
}

/// Writes the text that is parsed.
impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.end, End::Exact | End::ExactSlash) {
            f.write_str("=")?;
        }
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => write!(f, "/{literal}")?,
                Segment::Named(name) => write!(f, "/{{{name}}}")?,
            }
        }
        if self.segments.is_empty() || matches!(self.end, End::Slash | End::ExactSlash) {
            f.write_str("/")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_by_segments() {
        for (pattern, paths, others) in [
            ("/", &["/", "/a", "/a/b", "//"][..], &["*", ""][..]),
            (
                "/api",
                &["/api", "/api/", "/api/a", "/%61pi"],
                &["/", "/apis", "/API", "/a/api"],
            ),
            ("/api/", &["/api/", "/api/a"], &["/api", "/apis/"]),
            ("/a/b", &["/a/b", "/a/b/c"], &["/a", "/a/", "/a//b"]),
            ("=/chat", &["/chat", "/ch%61t"], &["/chat/", "/chat/a", "/"]),
            ("=/chat/", &["/chat/"], &["/chat", "/chat/a", "/chat//"]),
            ("=/", &["/"], &["/a", "//", "*"]),
        ] {
            let parsed: PathPattern = pattern.parse().unwrap();
            assert_eq!(parsed.to_string(), pattern);
            for path in paths {
                assert!(
                    parsed.captures(path.as_bytes()).is_some(),
                    "{pattern} {path}"
                );
            }
            for path in others {
                assert!(
                    parsed.captures(path.as_bytes()).is_none(),
                    "{pattern} {path}"
                );
            }
        }
    }

    #[test]
    fn captures_named_segments() {
        let pattern: PathPattern = "/vnc/{token}/{screen}".parse().unwrap();
        let captures = pattern.captures(b"/vnc/desk%207/1/more").unwrap();
        assert_eq!(captures.get("token"), Some("desk%207"));
        assert_eq!(captures.get("screen"), Some("1"));
        assert_eq!(captures.get("other"), None);
        assert_eq!(format!("{captures:?}"), r#"["token", "screen"]"#);
        for path in [&b"/vnc//1"[..], b"/vnc/a", b"/vnc/a/", b"/vnc/\xff/1"] {
            assert!(pattern.captures(path).is_none());
        }
    }

    #[test]
    fn names_the_error_of_an_invalid_pattern() {
        for (text, error) in [
            ("", PathPatternError::Slash),
            ("chat", PathPatternError::Slash),
            ("=chat", PathPatternError::Slash),
            ("//", PathPatternError::Empty),
            ("/a//b", PathPatternError::Empty),
            ("/a?b", PathPatternError::Query),
            ("/a#b", PathPatternError::Query),
            ("/a{b}", PathPatternError::Brace),
            ("/{}", PathPatternError::Brace),
            ("/{a", PathPatternError::Brace),
            ("/{a b}", PathPatternError::Brace),
            ("/{a}/{a}", PathPatternError::Twice("a".into())),
        ] {
            assert_eq!(text.parse::<PathPattern>(), Err(error), "{text}");
        }
    }
}
