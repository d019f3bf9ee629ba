//! The fields of an ordinary request or answer that a proxy forwards (RFC 9110 §7.6.1).

use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};

/// Removes hop-by-hop fields. `TE: trailers` is kept, as it tells the recipient that trailers are
/// accepted (RFC 9110 §10.1.4), together with the `Connection` field that has to list it.
pub(crate) fn keep_end_to_end(headers: &mut HeaderMap) {
    // Most messages have no such field.
    if !headers.keys().any(is_of_one_side) {
        return;
    }
    let takes_trailers = lists(headers, &TE, "trailers");
    if headers.contains_key(CONNECTION) {
        for listed in listed(headers) {
            // Fields that frame the message, or that it requires, are end-to-end even if they are
            // listed.
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

/// True if a field is hop-by-hop without being listed in `Connection`.
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
            // RFC 9110 §11.7: these apply to a client and the next proxy only.
            | "proxy-authenticate"
            | "proxy-authorization"
    )
}

/// True if a body has a transfer coding that is not decoded here: any but `chunked`
/// (RFC 9112 §6.1).
pub(crate) fn is_coded_otherwise(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) => !coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => true,
    }
}

/// Returns the names that `Connection` lists.
fn listed(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter();
    let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    names
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

/// True if a list contains this token, with or without parameters.
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
        // The order of fields with different names has no meaning (RFC 9110 §5.3).
        let mut fields: Vec<String> = fields.collect();
        fields.sort();
        fields
    }

    #[test]
    fn hop_by_hop_fields_are_removed() {
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
