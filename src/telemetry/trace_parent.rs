//! The trace context of a request.

use hyper::HeaderMap;

use super::head;

/// The field with the trace context (W3C Trace Context §3.2).
pub(crate) const TRACE_PARENT: &str = "traceparent";

/// The trace that a request is part of and the span in which it was sent, from its `traceparent`
/// field (W3C Trace Context §3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent<'a> {
    /// The field value: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
    text: &'a str,
    /// The trace id: 32 hex digits.
    pub trace_id: &'a str,
    /// The span id: 16 hex digits.
    pub span_id: &'a str,
    /// Whether the sender of the request records its spans.
    pub is_sampled: bool,
}

impl<'a> TraceParent<'a> {
    /// Parses a field value. `None` if it is malformed.
    pub(crate) fn read(value: &'a [u8]) -> Option<Self> {
        let value = str::from_utf8(value).ok()?;
        let mut parts = value.split('-');
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let mut part = |len: usize| {
            let part = parts.next().filter(|part| part.len() == len);
            part.filter(|part| part.bytes().all(is_hex))
        };
        // §3.2.2.2: later versions may append data, and `ff` is not a version.
        let version = part(2).filter(|version| *version != "ff")?;
        // §3.2.2.3: an id of zeroes is invalid.
        let is_id = |id: &&str| id.bytes().any(|byte| byte != b'0');
        let trace_id = part(32).filter(is_id)?;
        let span_id = part(16).filter(is_id)?;
        let flags = u8::from_str_radix(part(2)?, 16).ok()?;
        let is_whole = version != "00" || parts.next().is_none();
        is_whole.then_some(Self {
            text: value.get(..LEN)?,
            trace_id,
            span_id,
            is_sampled: flags & 1 != 0,
        })
    }

    /// Reads the trace context from the fields of a request.
    pub(crate) fn of_fields(fields: &'a HeaderMap) -> Option<Self> {
        Self::read(fields.get(TRACE_PARENT)?.as_bytes())
    }

    /// Reads the trace context from a head that may be invalid.
    pub(crate) fn of_head(head: &'a [u8]) -> Option<Self> {
        Self::read(head::field(head, TRACE_PARENT)?)
    }

    /// Returns the text, which can be [read](Self::read) again.
    pub(crate) fn as_str(&self) -> &'a str {
        self.text
    }
}

/// The length of the text, without the data that later versions may append.
const LEN: usize = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_is_accepted() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        for (value, is_sampled) in [
            ("00-TRACE-b7ad6b7169203331-01", Some(true)),
            ("00-TRACE-b7ad6b7169203331-02", Some(false)),
            ("cc-TRACE-b7ad6b7169203331-ff-more", Some(true)),
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
            let value = value.replace("TRACE", TRACE);
            let parent = TraceParent::read(value.as_bytes());
            let parts = parent.map(|parent| (parent.trace_id, parent.span_id, parent.is_sampled));
            let expected = is_sampled.map(|is_sampled| (TRACE, "b7ad6b7169203331", is_sampled));
            assert_eq!(parts, expected, "{value}");
            let again = parent.and_then(|parent| TraceParent::read(parent.as_str().as_bytes()));
            assert_eq!(again, parent, "{value}");
        }
    }
}
