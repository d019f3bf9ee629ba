//! Comparison of the head parser with `httparse`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "support/strategies.rs"]
mod strategies;
mod support;

use polysock_protocols::HandshakeError;
use polysock_protocols::http::{Head, HeadLimits, HeadScanner};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use strategies::{mutate, mutations};

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The first line and the fields: the parts of a head on which both parsers must agree.
type Parts = ([Vec<u8>; 3], Vec<(Vec<u8>, Vec<u8>)>);

/// Returns the result of our parser; `None` if the head is incomplete.
fn ours(bytes: &[u8]) -> Option<Result<(usize, Parts), HandshakeError>> {
    let limits = HeadLimits::default();
    let len = HeadScanner::default().advance(bytes, &limits).unwrap()?;
    let parse = || {
        let head = Head::parse(bytes, len, &limits)?;
        let start = if head.method().starts_with(b"HTTP/") {
            let status = head.status().unwrap_or_default().to_string().into_bytes();
            // httparse returns no reason phrase that is not ASCII.
            let reason = head.reason().is_ascii().then(|| head.reason().to_vec());
            [head.method().to_vec(), status, reason.unwrap_or_default()]
        } else {
            let minor = if head.is_http11() { "1" } else { "0" };
            [head.method().to_vec(), head.target().to_vec(), minor.into()]
        };
        let fields = head
            .fields()
            .map(|(name, value)| (name.to_vec(), value.to_vec()));
        Ok((len, (start, fields.collect())))
    };
    Some(parse())
}

/// Returns the result of httparse; `None` if the head is incomplete.
fn theirs(bytes: &[u8], is_response: bool) -> Option<Result<(usize, Parts), httparse::Error>> {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let collect = |fields: &[httparse::Header<'_>]| {
        let field = |field: &httparse::Header<'_>| (field.name.into(), field.value.to_vec());
        fields.iter().map(field).collect()
    };
    let parsed = if is_response {
        let mut response = httparse::Response::new(&mut fields);
        response.parse(bytes).map(|status| {
            let version = format!("HTTP/1.{}", response.version.unwrap_or_default());
            let code = response.code.unwrap_or_default().to_string();
            let reason = response.reason.unwrap_or_default();
            let start = [version.into(), code.into(), reason.into()];
            (status, (start, collect(response.headers)))
        })
    } else {
        let mut request = httparse::Request::new(&mut fields);
        request.parse(bytes).map(|status| {
            let minor = request.version.unwrap_or_default().to_string();
            let method = request.method.unwrap_or_default();
            let target = request.path.unwrap_or_default();
            let start = [method.into(), target.into(), minor.into()];
            (status, (start, collect(request.headers)))
        })
    };
    match parsed {
        Ok((httparse::Status::Partial, _)) => None,
        Ok((httparse::Status::Complete(len), parts)) => Some(Ok((len, parts))),
        Err(error) => Some(Err(error)),
    }
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let field = (
        select(&["Host", "upgrade", "X_!#$%&'*+-.^`|~9", "A"][..]),
        select(&[":", ": ", ":\t ", ":  "][..]),
        "[ -~\té]{0,12}",
    );
    let first = prop_oneof![
        (
            "[A-Z!a-z-]{1,8}",
            "[!-~]{1,12}",
            select(&["1.1", "1.0"][..])
        )
            .prop_map(|(method, target, version)| format!("{method} {target} HTTP/{version}")),
        (
            select(&["1.1", "1.0"][..]),
            "[1-9][0-9]{2}",
            select(&["", " ", " Web Socket", " é"][..])
        )
            .prop_map(|(version, status, reason)| format!("HTTP/{version} {status}{reason}")),
    ];
    let end = || select(&["\r\n", "\r\n", "\r\n", "\n"][..]);
    (first, end(), vec((field, end()), 0..6), end()).prop_map(|(first, end, fields, last)| {
        let mut head = format!("{first}{end}");
        for ((name, colon, value), end) in fields {
            head.extend([name, colon, &value, end]);
        }
        (head + last).into_bytes()
    })
}

/// True if we accept a head that httparse refuses, as intended:
///
/// - Any version 1.x, as RFC 9112 §2.3 has it; a handshake then needs 1.1.
/// - A target that is not UTF-8, which is refused when the request is opened.
fn is_taken_by_us_alone(start: &[u8], (first, _): &Parts) -> bool {
    let line = String::from_utf8_lossy(start);
    let version = line
        .split("HTTP/1.")
        .nth(1)
        .and_then(|rest| rest.chars().next());
    !matches!(version, Some('0' | '1')) || std::str::from_utf8(&first[1]).is_err()
}

/// True if httparse accepts a head that we refuse: empty lines before the first line.
fn is_taken_by_them_alone(bytes: &[u8]) -> bool {
    matches!(bytes, [b'\r' | b'\n', ..])
}

proptest! {
    #![proptest_config(config())]

    /// Both accept a bare LF as a line end.
    #[test]
    fn heads_are_taken_as_httparse_takes_them(
        head in request(),
        changes in mutations(),
        early in select(&["", "\0", "GET"][..]),
    ) {
        let bytes = [&mutate(head, &changes)[..], early.as_bytes()].concat();
        let is_response = bytes.starts_with(b"HTTP/");
        let (ours, theirs) = (ours(&bytes), theirs(&bytes, is_response));
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        match (ours, theirs) {
            (Some(Ok(ours)), Some(Ok(theirs))) => prop_assert_eq!(ours, theirs, "{:?}", shown),
            (Some(Err(_)), Some(Err(_))) => {}
            // We refuse an invalid head only once it is complete.
            (None, None | Some(Err(_))) => {}
            (Some(Ok((_, parts))), Some(Err(_))) if is_taken_by_us_alone(&bytes, &parts) => {}
            (_, None | Some(Ok(_))) if is_taken_by_them_alone(&bytes) => {}
            (ours, theirs) => prop_assert!(false, "{:?}: {:?} but {:?}", shown, ours, theirs),
        }
    }
}
