//! The rewriting of the path that a client requests.

use std::str::FromStr;

use bytestring::ByteString;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use polysock_protocols::http::DotSegment;
use thiserror::Error;

use super::target::split;
use super::{Captures, UpstreamError};

/// The rewriting of the path that a client requests, before it is joined with the path in the URL
/// of an upstream. The client's query is always kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rewrite {
    /// The path is unchanged.
    #[default]
    Keep,
    /// The prefix is removed from the path. A path without the prefix is unchanged.
    Strip(PathPrefix),
    /// The path is replaced.
    Replace(PathTemplate),
}

/// The beginning of paths, compared by segments. Stripping `/vnc/{token}` turns `/vnc/desk-7/app`
/// into `/app`, and `/vnc/desk-7` into `/`. A name in braces matches any segment that is not empty.
/// Segments are decoded before they are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(Vec<Option<String>>);

/// A path, and perhaps a query, with names that are filled in from the captures of the route:
/// `/app/{token}?old=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Captured {
        name: String,
        /// Whether the name is after the question mark.
        in_query: bool,
    },
}

/// The error in a prefix or a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The path does not begin with a slash.
    #[error("a path must begin with a slash")]
    Slash,
    /// The text contains a character that is not allowed in a path, or in a prefix.
    #[error(
        "a path must not contain blanks or `#`, nor a prefix `?`: write them as %20 and the like"
    )]
    Character,
    /// The path has a segment `..`.
    #[error("a path must not have a segment `..`")]
    Parent,
    /// A brace is not closed, not opened, or has no name.
    #[error("`{{name}}`, for a capture of the route's path, needs both braces")]
    Brace,
}

/// The characters to escape in a query, where they would have another meaning than in a path.
const IN_QUERY: &AsciiSet = &CONTROLS.add(b'&').add(b'=').add(b'+').add(b';');

impl Rewrite {
    /// Returns the target for an upstream, made of the target that the client requests.
    ///
    /// # Errors
    ///
    /// The rewritten path has a segment `..`, or a name in the template is not captured.
    pub fn apply(
        &self,
        target: &ByteString,
        captures: Option<&Captures>,
    ) -> Result<ByteString, UpstreamError> {
        let (path, query) = split(target);
        let rewritten = match self {
            Self::Keep => return Ok(target.clone()),
            Self::Strip(prefix) => match prefix.strip(path) {
                Some(rest) => rest.to_owned(),
                None => return Ok(target.clone()),
            },
            Self::Replace(template) => template.fill(captures)?,
        };
        let (path, own_query) = split(&rewritten);
        if DotSegment::find(path.as_bytes()) == Some(DotSegment::Parent) {
            return Err(UpstreamError::Path);
        }
        let mut target = if path.is_empty() { "/" } else { path }.to_owned();
        let queries = [own_query, query].into_iter().flatten();
        for (query, mark) in queries.filter(|query| !query.is_empty()).zip(['?', '&']) {
            target.push(mark);
            target.push_str(query);
        }
        Ok(target.into())
    }
}

impl PathPrefix {
    /// Removes the prefix. The rest begins with a slash or is empty; `None` if the path has another
    /// prefix.
    fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut rest = path;
        for segment in &self.0 {
            let behind = rest.strip_prefix('/')?;
            let end = behind.find('/').unwrap_or(behind.len());
            let (came, others) = behind.split_at(end);
            let is_same = match segment {
                Some(literal) => percent_decode_str(came).eq(literal.bytes()),
                None => !came.is_empty(),
            };
            if !is_same {
                return None;
            }
            rest = others;
        }
        Some(rest)
    }
}

impl FromStr for PathPrefix {
    type Err = RewriteError;

    fn from_str(text: &str) -> Result<Self, RewriteError> {
        let path = text.strip_prefix('/').ok_or(RewriteError::Slash)?;
        if path.contains(['?', '#', ' ']) {
            return Err(RewriteError::Character);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = path.split('/').filter(|_| !path.is_empty());
        let segments = segments.map(|segment| match parts(segment)?.as_slice() {
            [Part::Captured { .. }] => Ok(None),
            [] => Ok(Some(String::new())),
            [Part::Text(text)] => Ok(Some(percent_decode_str(text).decode_utf8_lossy().into())),
            _ => Err(RewriteError::Brace),
        });
        Ok(Self(segments.collect::<Result<_, _>>()?))
    }
}

impl PathTemplate {
    /// Returns the names that have to be captured.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Captured { name, .. } => Some(&**name),
            Part::Text(_) => None,
        })
    }

    fn fill(&self, captures: Option<&Captures>) -> Result<String, UpstreamError> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Captured { name, in_query } => {
                    let captured = captures.and_then(|captures| captures.get(name));
                    let captured = captured.ok_or(UpstreamError::Unsupported(
                        "the new path uses a name that the route's path does not capture",
                    ))?;
                    if *in_query {
                        filled.extend(utf8_percent_encode(captured, IN_QUERY));
                    } else {
                        filled.push_str(captured);
                    }
                }
            }
        }
        Ok(filled)
    }
}

impl FromStr for PathTemplate {
    type Err = RewriteError;

    fn from_str(text: &str) -> Result<Self, RewriteError> {
        if !text.starts_with('/') {
            return Err(RewriteError::Slash);
        }
        if text.contains(|c: char| !c.is_ascii_graphic() || c == '#') {
            return Err(RewriteError::Character);
        }
        let (path, _) = split(text);
        if DotSegment::find(path.as_bytes()) == Some(DotSegment::Parent) {
            return Err(RewriteError::Parent);
        }
        Ok(Self(parts(text)?))
    }
}

/// Splits a text into plain text and the names in braces.
fn parts(text: &str) -> Result<Vec<Part>, RewriteError> {
    let mut parts = Vec::new();
    let (mut rest, mut in_query) = (text, false);
    while !rest.is_empty() {
        let Some((before, behind)) = rest.split_once('{') else {
            parts.push(Part::Text(rest.to_owned()));
            break;
        };
        in_query |= before.contains('?');
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let (name, behind) = behind.split_once('}').ok_or(RewriteError::Brace)?;
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(is_letter) {
            return Err(RewriteError::Brace);
        }
        parts.push(Part::Captured {
            name: name.to_owned(),
            in_query,
        });
        rest = behind;
    }
    let is_text_whole = |part: &Part| match part {
        Part::Text(text) => !text.contains('}'),
        Part::Captured { .. } => true,
    };
    let is_whole = parts.iter().all(is_text_whole);
    is_whole.then_some(parts).ok_or(RewriteError::Brace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures() -> Captures {
        let mut captures = Captures::default();
        captures.insert("token".into(), "desk-7");
        captures.insert("up".into(), "%2E.");
        captures.insert("odd".into(), "a&b=c+d%20e");
        captures
    }

    fn applied(rewrite: &Rewrite, target: &str) -> Option<String> {
        let rewritten = rewrite.apply(&target.into(), Some(&captures()));
        rewritten.ok().map(String::from)
    }

    #[test]
    fn a_prefix_is_stripped_by_whole_segments() {
        for (prefix, target, expected) in [
            ("/vnc", "/vnc/app?a=b", Some("/app?a=b")),
            ("/vnc", "/vnc", Some("/")),
            ("/vnc", "/vnc?a", Some("/?a")),
            ("/vnc/", "/vnc/", Some("/")),
            ("/vnc", "/vncx/app", Some("/vncx/app")),
            ("/vnc", "/other", Some("/other")),
            ("/vnc", "/%76nc/%61", Some("/%61")),
            ("/vnc/{token}", "/vnc/desk-7/app/", Some("/app/")),
            ("/vnc/{token}", "/vnc/desk-7", Some("/")),
            ("/vnc/{token}", "/vnc//app", Some("/vnc//app")),
            ("/", "/a", Some("/a")),
            ("/vnc", "/vnc/../admin", None),
            ("/vnc", "/vnc/%2e./admin?a", None),
            ("/vnc", "/vnc/a?../b", Some("/a?../b")),
        ] {
            let rewrite = Rewrite::Strip(prefix.parse().unwrap());
            let stripped = applied(&rewrite, target);
            assert_eq!(stripped.as_deref(), expected, "{prefix} {target}");
        }
    }

    #[test]
    fn a_template_replaces_the_path_and_keeps_the_query() {
        for (template, target, expected) in [
            ("/app", "/vnc/desk-7?a=b", Some("/app?a=b")),
            ("/app/{token}/x", "/", Some("/app/desk-7/x")),
            ("/app?t={token}", "/?a=b", Some("/app?t=desk-7&a=b")),
            (
                "/{odd}?o={odd}",
                "/?",
                Some("/a&b=c+d%20e?o=a%26b%3Dc%2Bd%20e"),
            ),
            ("/app/{up}/x", "/", None),
            ("/app/{unknown}", "/", None),
        ] {
            let rewrite = Rewrite::Replace(template.parse().unwrap());
            let filled = applied(&rewrite, target);
            assert_eq!(filled.as_deref(), expected, "{template} {target}");
        }
        let template: PathTemplate = "/a/{b}/c?{d}".parse().unwrap();
        assert!(template.names().eq(["b", "d"]));
        assert_eq!(
            applied(&Rewrite::Keep, "/a/../b?c").as_deref(),
            Some("/a/../b?c")
        );
    }

    #[test]
    fn names_the_error_of_an_invalid_prefix_or_template() {
        for (text, of_prefix, of_template) in [
            ("app", Some(RewriteError::Slash), Some(RewriteError::Slash)),
            (
                "/a b",
                Some(RewriteError::Character),
                Some(RewriteError::Character),
            ),
            (
                "/a#b",
                Some(RewriteError::Character),
                Some(RewriteError::Character),
            ),
            ("/a?b", Some(RewriteError::Character), None),
            (
                "/a/{b",
                Some(RewriteError::Brace),
                Some(RewriteError::Brace),
            ),
            (
                "/a/b}",
                Some(RewriteError::Brace),
                Some(RewriteError::Brace),
            ),
            (
                "/a/{}",
                Some(RewriteError::Brace),
                Some(RewriteError::Brace),
            ),
            (
                "/a/{b/c}",
                Some(RewriteError::Brace),
                Some(RewriteError::Brace),
            ),
            ("/a/x{b}", Some(RewriteError::Brace), None),
            ("/a/../b", None, Some(RewriteError::Parent)),
        ] {
            assert_eq!(text.parse::<PathPrefix>().err(), of_prefix, "{text}");
            assert_eq!(text.parse::<PathTemplate>().err(), of_template, "{text}");
        }
    }
}
