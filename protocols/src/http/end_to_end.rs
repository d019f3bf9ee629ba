//! Selection of the fields that a gateway forwards (RFC 9110 §7.6.1).

use super::Head;
use crate::fields::Fields;

/// Fields that are not forwarded, in addition to those that `Connection` lists: hop-by-hop fields
/// (RFC 9110 §7.6.1), those of a body, which is framed anew, and those of an opening handshake,
/// which each side performs itself.
const OF_ONE_SIDE: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "trailer",
    "host",
    "origin",
    // Kaazing's hixie-76 clients and their servers negotiate binary frames in these.
    "x-accept-frametype",
    "x-frame-type",
];

/// The prefixes of the other fields of an opening handshake, in the RFC and in the drafts.
const OF_HANDSHAKES: &[&str] = &["sec-websocket-", "websocket-"];

impl Head {
    /// Returns the end-to-end fields in their order: those that a gateway forwards (RFC 9110
    /// §7.6.1). `Host` and `Origin` are left out, as a [`Request`](crate::Request) and a
    /// [`Dial`](crate::Dial) have them in fields of their own. The values are not copied.
    pub fn end_to_end(&self) -> Fields {
        let passes = |name: &[u8]| {
            let is_of_one_side = OF_ONE_SIDE
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other.as_bytes()));
            let is_of_handshake = OF_HANDSHAKES.iter().any(|prefix| {
                name.get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
            });
            let is_listed = || {
                self.list("connection")
                    .any(|listed| listed.eq_ignore_ascii_case(name))
            };
            !is_of_one_side && !is_of_handshake && !is_listed()
        };
        let passed = self.fields().filter(|(name, _)| passes(name));
        passed
            .filter_map(|(name, value)| Some((self.text(name)?, self.bytes.slice_ref(value))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::HeadLimits;
    use super::*;

    fn passed(text: &str) -> String {
        let head = Head::parse(text.as_bytes(), text.len(), &HeadLimits::default()).unwrap();
        let fields = head.end_to_end();
        let lines = fields
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)));
        lines.collect()
    }

    #[test]
    fn passes_on_end_to_end_fields_only() {
        let request = "GET / HTTP/1.1\r\n\
            Host: a\r\n\
            Cookie: a=1\r\n\
            Connection: Upgrade, X-Hop\r\n\
            connection: x-other\r\n\
            Upgrade: websocket\r\n\
            x-hop: 1\r\n\
            X-Other: 2\r\n\
            X-Other-2: 3\r\n\
            TE: trailers\r\n\
            Sec-WebSocket-Key: k\r\n\
            sec-websocket-origin: http://a\r\n\
            WebSocket-Protocol: p\r\n\
            Origin: http://a\r\n\
            Content-Length: 8\r\n\
            cookie: b=2\r\n\
            Traceparent: 00-1\r\n\r\n";
        assert_eq!(
            passed(request),
            "Cookie: a=1\nX-Other-2: 3\ncookie: b=2\nTraceparent: 00-1\n"
        );
        let answer = "HTTP/1.1 101 Switching Protocols\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Accept: a\r\n\
            Set-Cookie: a=1\r\n\
            Set-Cookie: b=2\r\n\
            WebSocket-Location: ws://a/\r\n\
            Keep-Alive: timeout=5\r\n\r\n";
        assert_eq!(passed(answer), "Set-Cookie: a=1\nSet-Cookie: b=2\n");
    }
}
