//! Replacement of the `Host` field.

use bytes::BytesMut;

use super::{Head, Span, is_host};

impl Head {
    /// Returns the same request for another host, for proxies that know it better; `None` if `host`
    /// is invalid or the request does not have exactly one `Host`.
    pub fn with_host(&self, host: &str) -> Option<Self> {
        let mut named = self.fields.iter();
        let mut own = named
            .by_ref()
            .filter(|(name, _)| name.is_name("host", &self.bytes));
        let (Some((_, value)), None) = (own.next(), own.next()) else {
            return None;
        };
        if !is_host(host.as_bytes()) {
            return None;
        }
        let mut bytes = BytesMut::with_capacity(self.bytes.len().saturating_add(host.len()));
        bytes.extend_from_slice(self.bytes.get(..value.start)?);
        bytes.extend_from_slice(host.as_bytes());
        let end = bytes.len();
        bytes.extend_from_slice(self.bytes.get(value.end..)?);
        let behind = |at: usize| at.saturating_sub(value.end).saturating_add(end);
        let moved = |span: &Span| Span {
            start: if span.start <= value.start {
                span.start
            } else {
                behind(span.start)
            },
            end: if span.end < value.end {
                span.end
            } else {
                behind(span.end)
            },
        };
        let fields = self.fields.iter();
        Some(Self {
            fields: fields
                .map(|(name, value)| (moved(name), moved(value)))
                .collect(),
            bytes: bytes.freeze(),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::HeadLimits;
    use super::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes(), text.len(), &HeadLimits::default()).unwrap()
    }

    #[test]
    fn replacing_the_host_keeps_the_rest_of_the_head() {
        let text = "GET /a HTTP/1.1\r\nA: b\r\nhost:  short:1 \r\nC: d\r\nE:\r\n\r\n";
        for host in ["a", "short:1", "a.long.host.example:8443", "[::1]:80"] {
            let changed = head(text).with_host(host).unwrap();
            assert_eq!(changed.value("Host"), Some(host.as_bytes()));
            assert_eq!(changed, head(&text.replace("short:1", host)));
            let expected = head(&text.replace("short:1", host));
            assert!(changed.fields().eq(expected.fields()));
            assert_eq!(
                (changed.method(), changed.target()),
                (&b"GET"[..], &b"/a"[..])
            );
        }
        assert_eq!(head("GET / HTTP/1.1\r\n\r\n").with_host("a"), None);
        let two = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
        assert_eq!(head(two).with_host("a"), None);
        assert_eq!(head(text).with_host("a b"), None);
        let empty = head("GET / HTTP/1.1\r\nHost:\r\nB: c\r\n\r\n").with_host("a");
        let empty = empty.unwrap();
        let values = ["host", "b"].map(|name| empty.value(name));
        assert_eq!(values, [Some(&b"a"[..]), Some(b"c")]);
    }
}
