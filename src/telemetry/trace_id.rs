//! The trace that a request is part of.

use hyper::HeaderMap;

/// The id of the trace that a request is part of, as its `traceparent` says (W3C Trace Context §3.2.2).
pub(crate) fn trace_id(fields: &HeaderMap) -> Option<&str> {
    of_parent(fields.get("traceparent")?.to_str().ok()?)
}

/// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`; §3.2.2.2: versions to come may have more
/// behind it, and `ff` is none.
fn of_parent(parent: &str) -> Option<&str> {
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
            assert_eq!(of_parent(&parent), expected, "{parent}");
        }
    }
}
