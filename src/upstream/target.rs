//! The request target for a server: path and query of its URL, joined with those of the client.

use bytestring::ByteString;
use percent_encoding::percent_decode_str;
use polysock_protocols::http::DotSegment;

use super::UpstreamError;

/// Returns the target for a client that requests `theirs`, for a server whose URL contains `ours`.
///
/// A path in `ours` that ends in `/` is put before the client's path, any other replaces it. The
/// client's query is always appended to that of `ours`.
///
/// # Errors
///
/// The client's path would lead out of the path in `ours`.
pub(super) fn joined(
    ours: Option<&ByteString>,
    theirs: ByteString,
) -> Result<ByteString, UpstreamError> {
    let Some(ours) = ours else { return Ok(theirs) };
    let (our_path, our_query) = split(ours);
    let (their_path, their_query) = split(&theirs);
    let mut target = our_path.to_owned();
    if our_path.ends_with('/') {
        if DotSegment::find(their_path.as_bytes()) == Some(DotSegment::Parent) {
            return Err(UpstreamError::Path);
        }
        target.push_str(their_path.strip_prefix('/').unwrap_or(their_path));
    }
    let queries = [our_query, their_query].into_iter().flatten();
    for (query, mark) in queries.filter(|query| !query.is_empty()).zip(['?', '&']) {
        target.push(mark);
        target.push_str(query);
    }
    Ok(target.into())
}

/// Returns the first value of a parameter in the query of a target, decoded.
pub(super) fn query(target: &str, name: &str) -> Option<Vec<u8>> {
    let value = query_values(target, name).next()?;
    Some(percent_decode_str(value).collect())
}

/// Returns the values of a parameter in the query of a target, not decoded.
pub(crate) fn query_values<'a>(target: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (_, query) = split(target);
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    let pairs = pairs.filter_map(|pair| pair.split_once('='));
    let named = pairs.filter(move |(other, _)| percent_decode_str(other).eq(name.bytes()));
    named.map(|(_, value)| value)
}

/// Splits a target at its question mark.
pub(super) fn split(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ours: &str, theirs: &str, expected: Option<&str>) {
        let ours = Some(ByteString::from(ours)).filter(|ours| !ours.is_empty());
        let joined = joined(ours.as_ref(), theirs.into()).ok();
        assert_eq!(joined.as_deref(), expected, "{ours:?} {theirs}");
    }

    #[test]
    fn a_path_in_a_url_replaces_or_precedes_the_clients_and_queries_are_joined() {
        for (ours, theirs, expected) in [
            ("", "/CP001?token=abc", "/CP001?token=abc"),
            ("", "/a/../b", "/a/../b"),
            ("/ocpp", "/CP001?token=abc", "/ocpp?token=abc"),
            ("/ocpp", "/../CP001", "/ocpp"),
            ("/ocpp?k=1", "/CP001?token=abc", "/ocpp?k=1&token=abc"),
            ("/ocpp?k=1", "/CP001", "/ocpp?k=1"),
            ("/ocpp?k=1", "/CP001?", "/ocpp?k=1"),
            ("/ocpp?", "/?a?b", "/ocpp?a?b"),
            ("/ocpp/", "/CP001?token=abc", "/ocpp/CP001?token=abc"),
            (
                "/ocpp/?k=1",
                "/CP001?token=abc",
                "/ocpp/CP001?k=1&token=abc",
            ),
            ("/ocpp/", "/", "/ocpp/"),
            ("/ocpp/", "", "/ocpp/"),
            ("/?k=1", "/a/b", "/a/b?k=1"),
            // The server may interpret the path as it likes, as long as the path stays in ours.
            ("/ocpp/", "//CP001", "/ocpp//CP001"),
            ("/ocpp/", "/./a", "/ocpp/./a"),
            ("/ocpp/", "/a%2Fb/.c/..d/e..", "/ocpp/a%2Fb/.c/..d/e.."),
            ("/ocpp/", "/a?../b", "/ocpp/a?../b"),
        ] {
            check(ours, theirs, Some(expected));
        }
    }

    #[test]
    fn a_path_that_escapes_the_path_of_the_url_is_refused() {
        for theirs in [
            "/..",
            "/../admin",
            "/a/../../admin",
            "/%2e%2E/admin",
            "/.%2e/admin",
            "/..%2fadmin",
            "/a%2F..%2F..%2Fadmin",
            "/..\\admin",
            "/..%5Cadmin",
            "/..;/admin",
            "/%2e%2e;a=b/admin",
            "/..%3b/admin",
        ] {
            check("/ocpp/", theirs, None);
        }
    }
}
