//! What of the fields of an ordinary request or answer a proxy passes on (RFC 9110 §7.6.1).

use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};

/// Leaves what is end-to-end. Whoever takes trailers is still told so, by `TE: trailers` (RFC 9110
/// §10.1.4), which goes with a `Connection` that lists it.
pub(crate) fn keep_end_to_end(headers: &mut HeaderMap) {
    // Most messages have none of them.
    if !headers.keys().any(is_of_one_side) {
        return;
    }
    let takes_trailers = lists(headers, &TE, "trailers");
    if headers.contains_key(CONNECTION) {
        for listed in listed(headers) {
            // A field that frames the message, or that it cannot be without, belongs to no connection
            // whatever is listed.
            if !["host", "content-length"].contains(&listed.as_str()) {
                headers.remove(listed);
            }
        }
    }
    while let Some(name) = headers.keys().find(|name| is_of_one_side(name)).cloned() {
        headers.remove(name);
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Whether a field is of one connection, beside those that `Connection` lists.
fn is_of_one_side(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            // RFC 9110 §11.7: they are between a client and the next proxy.
            | "proxy-authenticate"
            | "proxy-authorization"
    )
}

/// Whether a body has a coding that is not undone here: all but `chunked` (RFC 9112 §6.1).
pub(crate) fn is_coded_otherwise(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) => !coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => true,
    }
}

/// The names in `Connection`.
fn listed(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter();
    let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    names
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

/// Whether a list has this token, which may have parameters.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter();
    let mut elements = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    elements.any(|element| {
        let bare = element.split(|byte| *byte == b';').next();
        bare.is_some_and(|bare| bare.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(lines: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        keep_end_to_end(&mut headers);
        let fields = headers.iter();
        let fields = fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        // In which order fields of different names stand says nothing (RFC 9110 §5.3).
        let mut fields: Vec<String> = fields.collect();
        fields.sort();
        fields
    }

    #[test]
    fn what_belongs_to_one_connection_is_left_out() {
        for (lines, expected) in [
            (
                &[("host", "a"), ("cookie", "b=1")][..],
                &["cookie: b=1", "host: a"][..],
            ),
            (
                &[
                    ("connection", "Upgrade, X-Hop"),
                    ("connection", "x-other, host, content-length,"),
                    ("upgrade", "h2c"),
                    ("http2-settings", "AAAA"),
                    ("x-hop", "1"),
                    ("x-other", "2"),
                    ("x-kept", "3"),
                    ("host", "a"),
                    ("content-length", "4"),
                ],
                &["content-length: 4", "host: a", "x-kept: 3"],
            ),
            (
                &[
                    ("keep-alive", "5"),
                    ("proxy-connection", "close"),
                    ("transfer-encoding", "chunked"),
                ],
                &[],
            ),
            (
                &[("te", "gzip;q=1, Trailers"), ("connection", "TE, close")],
                &["connection: te", "te: trailers"],
            ),
            (&[("te", "gzip"), ("trailer", "X-Sum")], &["trailer: X-Sum"]),
        ] {
            assert_eq!(kept(lines), expected, "{lines:?}");
        }
    }
}
