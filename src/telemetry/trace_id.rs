//! The trace that a request is part of.

use hyper::HeaderMap;

/// The field that says it (W3C Trace Context §3.2).
pub(crate) const TRACE_PARENT: &str = "traceparent";

/// The id of the trace that a request with these fields is part of, as its `traceparent` says.
pub(crate) fn trace_id(fields: &HeaderMap) -> Option<&str> {
    of_parent(fields.get(TRACE_PARENT)?.as_bytes())
}

/// The same, of a request whose head begins like this. The head may be none that is valid.
pub(crate) fn trace_id_of_head(head: &[u8]) -> Option<&str> {
    let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    // What comes behind an empty line is no head.
    let mut lines = lines.skip(1).take_while(|line| !line.is_empty());
    lines.find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let is_parent = name.eq_ignore_ascii_case(TRACE_PARENT.as_bytes());
        is_parent.then(|| of_parent(value.get(1..)?.trim_ascii()))
    })?
}

/// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`; §3.2.2.2: versions to come may have more
/// behind it, and `ff` is none.
pub(crate) fn of_parent(parent: &[u8]) -> Option<&str> {
    let parent = str::from_utf8(parent).ok()?;
    let mut parts = parent.split('-');
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut part = |len: usize| {
        let part = parts.next().filter(|part| part.len() == len);
        part.filter(|part| part.bytes().all(is_hex))
    };
    let version = part(2).filter(|version| *version != "ff")?;
    // §3.2.2.3: all zeroes are no id.
    let is_id = |id: &&str| id.bytes().any(|byte| byte != b'0');
    let trace = part(32).filter(is_id)?;
    part(16).filter(is_id)?;
    part(2)?;
    (version != "00" || parts.next().is_none()).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_well_formed_names_a_trace() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        for (parent, expected) in [
            ("00-TRACE-b7ad6b7169203331-01", Some(TRACE)),
            ("cc-TRACE-b7ad6b7169203331-01-more", Some(TRACE)),
            ("00-TRACE-b7ad6b7169203331-01-more", None),
            ("ff-TRACE-b7ad6b7169203331-01", None),
            ("00-TRACE-0000000000000000-01", None),
            (
                "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                None,
            ),
            (
                "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                None,
            ),
            ("00-TRACE-b7ad6b7169203331", None),
            ("00-TRACE", None),
            ("", None),
        ] {
            let parent = parent.replace("TRACE", TRACE);
            assert_eq!(of_parent(parent.as_bytes()), expected, "{parent}");
        }
    }

    #[test]
    fn a_head_is_looked_through_up_to_its_end() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        for (head, expected) in [
            (
                "GET / HTTP/1.1\r\nHost: a\r\nTraceParent:PARENT\r\n\r\n",
                Some(TRACE),
            ),
            ("GET / HTTP/1.1\ntraceparent: \tPARENT ", Some(TRACE)),
            ("GET / HTTP/1.1\r\nx-traceparent: PARENT\r\n\r\n", None),
            ("GET / HTTP/1.1\r\n\r\ntraceparent: PARENT\r\n", None),
            ("traceparent: PARENT\r\n", None),
            // Whoever says it twice says the first.
            (
                "GET /\r\ntraceparent: none\r\ntraceparent: PARENT\r\n",
                None,
            ),
            ("", None),
        ] {
            let head = head.replace("PARENT", &format!("00-{TRACE}-b7ad6b7169203331-01"));
            assert_eq!(trace_id_of_head(head.as_bytes()), expected, "{head:?}");
        }
    }
}
