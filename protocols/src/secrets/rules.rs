//! The rules that find secrets, and the list of names that they use.

use std::ops::Range;

use super::SecretKind;

/// A secret and its position in the searched text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) at: Range<usize>,
    pub(super) kind: SecretKind,
}

/// Parts of the names of secret fields, parameters and subprotocols.
const NAMES: &[&str] = &[
    "token",
    "secret",
    "passw",
    "passphrase",
    "auth",
    "bearer",
    "session",
    "jwt",
    "oidc",
    "assertion",
    "credential",
    "ticket",
    "apikey",
    "signature",
    "csrf",
    "xsrf",
];

/// The same, but too short to be significant inside a word of a subprotocol.
const SHORT_NAMES: &[&str] = &["key", "sid", "sig", "pass", "pwd", "code"];

/// Fields of random bytes, which may match any rule by chance.
const RANDOM: &[&str] = &[
    "sec-websocket-key",
    "sec-websocket-key1",
    "sec-websocket-key2",
    "sec-websocket-accept",
];

/// Fields that are not secret although their names sound so: a server's demands.
const NO_SECRETS: &[&str] = &[
    "www-authenticate",
    "proxy-authenticate",
    "access-control-allow-credentials",
];

/// Fields of `name=value` pairs with secret values.
const COOKIES: &[&str] = &["cookie", "set-cookie"];

/// The fields that list subprotocols.
const SUBPROTOCOLS: &[&str] = &["sec-websocket-protocol", "websocket-protocol"];

/// The bytes that may precede the name of a parameter.
const PARAMETER: &[u8] = b"?&;#/,\"'<> \t";

/// The beginning of the base64 of a JSON object, with which every JSON Web Token begins (RFC 7519
/// §3).
const JSON: &[u8] = b"eyJ";

/// The shortest base64 of a JSON object that is treated as a token, in bytes.
const MIN_JSON: usize = 16;

/// The shortest subprotocol that is treated as a token for its characters, in bytes.
const MIN_OPAQUE: usize = 20;

/// Finds the secrets in the lines of a head, which may be malformed or incomplete.
pub(super) fn in_head(head: &[u8]) -> Vec<Found> {
    let mut all = Vec::new();
    let (mut begin, mut name, mut is_announced) = (0_usize, &b""[..], false);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
        let colon = line.iter().position(|byte| *byte == b':');
        let (from, found) = if let Some(from) = target_of(line) {
            (from, in_target(line.get(from..).unwrap_or_default()))
        } else if is_folded {
            (0, in_field(name, line, &mut is_announced))
        } else if let Some((before, value)) = colon.and_then(|at| line.split_at_checked(at)) {
            name = before.trim_ascii();
            let value = value.get(1..).unwrap_or_default();
            let from = before.len().saturating_add(1);
            (from, in_field(name, value, &mut is_announced))
        } else {
            (0, Vec::new())
        };
        all.extend(moved(found, begin.saturating_add(from)));
        begin = begin.saturating_add(line.len());
    }
    all
}

/// Finds the secrets of a target, or of a URL that may lack its scheme.
pub(super) fn in_url(url: &[u8]) -> Vec<Found> {
    let mut found = in_target(url);
    if url.starts_with(b"/") {
        return found;
    }
    let from = find(b"://", url).map_or(0, |at| at.saturating_add(3));
    let rest = url.get(from..).unwrap_or_default();
    let is_end = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let len = if authority.contains(&b'@') {
        authority.iter().rposition(|byte| *byte == b'@')
    } else if is_host(authority) {
        None
    } else {
        // A password may contain characters that should have been escaped.
        rest.iter().rposition(|byte| *byte == b'@')
    };
    let end = len.map(|len| from.saturating_add(len));
    found.extend(end.and_then(|end| trimmed(url, from..end, SecretKind::Credential)));
    found
}

/// True if this is a host with an optional port, and not the beginning of user information.
fn is_host(authority: &[u8]) -> bool {
    let colon = authority.iter().position(|byte| *byte == b':');
    let port = colon.and_then(|colon| authority.get(colon.saturating_add(1)..));
    let is_port = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    authority.starts_with(b"[") || port.is_none_or(is_port)
}

/// Finds the secret of one subprotocol. `is_announced` is true if the previous subprotocol names
/// this one as a secret, as in `["access_token", "…"]`; it is updated for the next.
pub(super) fn in_subprotocol(name: &[u8], is_announced: &mut bool) -> Option<Found> {
    let token = |from: usize| {
        let at = from..name.len();
        (from < name.len()).then_some(Found {
            at,
            kind: SecretKind::Token,
        })
    };
    let (was_announced, behind) = (*is_announced, value_after_names(name));
    *is_announced = behind == Some(name.len()) && !name.contains(&b'.');
    match behind {
        Some(behind) => token(behind),
        None if was_announced => token(0),
        None => {
            let json = in_json(name).into_iter().next();
            json.or_else(|| token(0).filter(|_| is_opaque(name)))
        }
    }
}

/// Returns where the target begins if the line is the first of a request, with a method in
/// capitals.
fn target_of(line: &[u8]) -> Option<usize> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (method, rest) = line.split_at_checked(space)?;
    let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    // `COOKIE : a=b` is a field, though a malformed one.
    (is_method && !rest.starts_with(b" :")).then_some(space.saturating_add(1))
}

fn in_field(name: &[u8], value: &[u8], is_announced: &mut bool) -> Vec<Found> {
    let is = |names: &[&str]| {
        let mut names = names.iter();
        names.any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
    };
    if is(RANDOM) {
        return Vec::new();
    }
    if is(COOKIES) {
        // The parts after the cookie of a Set-Cookie are attributes.
        let count = if is(&["set-cookie"]) { 1 } else { usize::MAX };
        let cookies = elements(value, b';').take(count).filter_map(|cookie| {
            let cookie_value = value.get(cookie.clone()).unwrap_or_default();
            let equals = cookie_value.iter().position(|byte| *byte == b'=')?;
            let from = cookie.start.saturating_add(equals).saturating_add(1);
            trimmed(value, from..cookie.end, SecretKind::Cookie)
        });
        return cookies.collect();
    }
    if is(SUBPROTOCOLS) {
        let names = elements(value, b',').filter_map(|element| {
            let found = trimmed(value, element, SecretKind::Token)?;
            let subprotocol = value.get(found.at.clone()).unwrap_or_default();
            let inner = in_subprotocol(subprotocol, is_announced);
            moved(inner, found.at.start).next()
        });
        return names.collect();
    }
    if sounds_secret(name) && !is(NO_SECRETS) {
        let whole = trimmed(value, 0..value.len(), SecretKind::Credential);
        // The scheme, such as `Bearer`, is not secret.
        let found = whole.and_then(|Found { at, kind }| {
            let words = value.get(at.clone()).unwrap_or_default();
            let space = words.iter().position(|byte| *byte == b' ');
            let from = space.map_or(0, |space| space.saturating_add(1));
            trimmed(value, at.start.saturating_add(from)..at.end, kind)
        });
        return found.into_iter().collect();
    }
    in_target(value)
}

/// Finds the secrets of a target, or of a text that may contain one: user information, values of
/// parameters, and tokens.
fn in_target(text: &[u8]) -> Vec<Found> {
    let mut found = in_json(text);
    let mut from = 0_usize;
    while let Some(at) = find(b"://", text.get(from..).unwrap_or_default()) {
        from = from.saturating_add(at).saturating_add(3);
        found.extend(in_authority(text, from));
    }
    found.extend(in_parameters(text));
    found
}

/// Finds the values of parameters that sound secret, in a query, a path or a fragment.
fn in_parameters(text: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    let (mut at, mut name, mut is_query) = (0_usize, 0_usize, false);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let sign = match rest {
            [b'=', ..] => 1,
            // An escaped `=`, in a URL that is itself the value of a parameter.
            [b'%', b'3', b'D' | b'd', ..] => 3,
            _ => 0,
        };
        let is_secret = sign > 0 && sounds_secret(text.get(name..at).unwrap_or_default());
        let is_start = rest.first().is_some_and(|byte| PARAMETER.contains(byte));
        is_query |= rest.starts_with(b"?");
        at = at.saturating_add(sign.max(1));
        if is_secret {
            let value = text.get(at..).unwrap_or_default();
            let end = at.saturating_add(value_len(value, is_query, sign == 3));
            found.extend(trimmed(text, at..end, SecretKind::Token));
            at = end;
        }
        if sign > 0 || is_start {
            name = at;
        }
    }
    found
}

/// Returns the length of the value of a parameter.
fn value_len(value: &[u8], is_query: bool, is_escaped: bool) -> usize {
    let ends: &[u8] = if is_query { b"&#" } else { b"&#?;/" };
    let len = match value {
        [b'"', quoted @ ..] => {
            let end = quoted.iter().position(|byte| *byte == b'"');
            end.map_or(value.len(), |end| end.saturating_add(2))
        }
        _ => {
            let is_end = |byte: &u8| ends.contains(byte) || b"\"<> \t\r\n".contains(byte);
            value.iter().position(is_end).unwrap_or(value.len())
        }
    };
    let value = value.get(..len).unwrap_or_default();
    let next = Some(value).filter(|_| is_escaped);
    next.and_then(|value| find(b"%26", value)).unwrap_or(len)
}

/// Finds the user information of the authority that begins at `from` (RFC 3986 §3.2.1).
fn in_authority(text: &[u8], from: usize) -> Option<Found> {
    let rest = text.get(from..)?;
    let is_end = |byte: &u8| b"/?#\"<> \t\r\n".contains(byte);
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    let len = rest.get(..end)?.iter().rposition(|byte| *byte == b'@')?;
    trimmed(text, from..from.saturating_add(len), SecretKind::Credential)
}

/// Finds JSON in base64, and the parts that may follow it in a JSON Web Token.
fn in_json(text: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut from = 0_usize;
    while let Some(at) = find(JSON, text.get(from..).unwrap_or_default()) {
        let begin = from.saturating_add(at);
        let rest = text.get(begin..).unwrap_or_default();
        let is_of_it = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.=+".contains(byte);
        let len = rest.iter().take_while(|byte| is_of_it(byte)).count();
        from = begin.saturating_add(len);
        if len >= MIN_JSON {
            found.push(Found {
                at: begin..from,
                kind: SecretKind::Token,
            });
        }
    }
    found
}

/// Returns where a subprotocol continues after the words that mark a secret; `None` if it has no
/// such words, or only a version follows.
fn value_after_names(name: &[u8]) -> Option<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let (mut at, mut is_named) = (0_usize, false);
    while at < name.len() {
        let rest = name.get(at..).unwrap_or_default();
        let word = rest.iter().take_while(|byte| is_word(byte)).count();
        let word = rest.get(..word).unwrap_or_default();
        let is_short = || SHORT_NAMES.iter().any(|short| is_text(word, short));
        let is_id = || is_named && is_text(word, "id");
        if has_name(word, NAMES) || is_short() || is_id() {
            is_named = true;
        } else if is_named && !word.is_empty() {
            break;
        }
        at = at.saturating_add(word.len().max(1));
    }
    let rest = name.get(at..).unwrap_or_default();
    let is_version = |number: &[u8]| {
        let digits = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        !number.is_empty() && number.iter().all(digits)
    };
    let is_version = rest.strip_prefix(b"v").is_some_and(is_version);
    (is_named && !is_version).then_some(at)
}

/// True if this cannot be the name of a subprotocol: hex digits, or digits and letters of both
/// cases.
fn is_opaque(name: &[u8]) -> bool {
    let any = |is: fn(&u8) -> bool| name.iter().any(is);
    let all = |is: fn(&u8) -> bool| name.iter().all(is);
    let is_hex = || all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let is_mixed = || any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase);
    name.len() >= MIN_OPAQUE
        && any(u8::is_ascii_digit)
        && !name.contains(&b'.')
        && (is_hex() || is_mixed())
}

pub(super) fn sounds_secret(name: &[u8]) -> bool {
    has_name(name, NAMES) || has_name(name, SHORT_NAMES)
}

fn has_name(text: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| {
        let mut places = text.windows(name.len());
        places.any(|place| is_text(place, name))
    })
}

fn is_text(bytes: &[u8], text: &str) -> bool {
    bytes.eq_ignore_ascii_case(text.as_bytes())
}

fn find(what: &[u8], text: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, what)
}

/// Returns the ranges between separators.
fn elements(value: &[u8], separator: u8) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0_usize;
    value
        .split(move |byte| *byte == separator)
        .map(move |part| {
            let at = from..from.saturating_add(part.len());
            from = at.end.saturating_add(1);
            at
        })
}

/// Trims white space from a range; `None` if nothing is left.
fn trimmed(text: &[u8], at: Range<usize>, kind: SecretKind) -> Option<Found> {
    let value = text.get(at.clone())?.trim_ascii_end();
    let len = value.trim_ascii_start().len();
    let start = at.start.saturating_add(value.len().saturating_sub(len));
    let at = start..start.saturating_add(len);
    (len > 0).then_some(Found { at, kind })
}

fn moved(found: impl IntoIterator<Item = Found>, by: usize) -> impl Iterator<Item = Found> {
    found.into_iter().map(move |Found { at, kind }| Found {
        at: at.start.saturating_add(by)..at.end.saturating_add(by),
        kind,
    })
}
