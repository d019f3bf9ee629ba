//! The answer of a server that refuses an opening handshake, with its body.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use polysock_protocols::http::{BodyScanner, Head};
use polysock_protocols::{Rejection, Response};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::HeaderPolicy;
use crate::transport::Io;

/// The longest body that is kept, in bytes, including its framing. Such a body is an error page.
const MAX_BODY: usize = 64 * 1024;

/// The time that a body may take after its head.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server's answer that refuses an opening handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The head.
    pub response: Response,
    /// The body, without its framing. `None` if it is longer than 64 KiB, was incomplete after two
    /// seconds, or was not read.
    pub body: Option<Bytes>,
    /// The changes to the fields before they are sent to a client.
    pub policy: HeaderPolicy,
}

impl Refusal {
    /// Reads the body after a head. `incoming` has already been read from the transport.
    pub(super) async fn read(response: Response, mut transport: Io, incoming: BytesMut) -> Self {
        let reading = read_body(&response.head, &mut transport, incoming);
        let framed = timeout(PATIENCE, reading).await.ok().and_then(Result::ok);
        let is_chunked = response.head.has("transfer-encoding");
        let body = framed.flatten().and_then(|framed| {
            if is_chunked {
                unchunked(&framed)
            } else {
                Some(framed)
            }
        });
        Self {
            response,
            body,
            policy: HeaderPolicy::default(),
        }
    }

    /// Returns the answer for a client: status, end-to-end fields (RFC 9110 §7.6.1) and body.
    /// Without a body, a line of text takes its place, and the `Content-*` fields are left out.
    /// `None` if the status is not in 300 to 599.
    pub fn rejection(&self) -> Option<Rejection> {
        let head = &self.response.head;
        let status = head
            .status()
            .filter(|status| (300..=599).contains(status))?;
        let mut fields = head.end_to_end();
        let mut rejection = match &self.body {
            Some(body) => Rejection {
                body: body.clone(),
                ..Rejection::new(status, "")
            },
            None => {
                let is_of_body = |name: &str| {
                    name.get(..8)
                        .is_some_and(|start| start.eq_ignore_ascii_case("content-"))
                };
                fields = fields
                    .into_iter()
                    .filter(|(name, _)| !is_of_body(name))
                    .collect();
                Rejection::new(status, "refused by the upstream")
            }
        };
        if self.body.as_ref().is_some_and(|body| !body.is_empty()) && !fields.has("content-type") {
            // RFC 9110 §8.3: the default type of a body.
            fields.append("Content-Type", "application/octet-stream");
        }
        if status == 426 {
            // RFC 9110 §15.5.22: a 426 names the protocol to upgrade to.
            let mut named = head.values("upgrade").map(Bytes::copy_from_slice);
            let first = named.next().unwrap_or(Bytes::from_static(b"websocket"));
            fields.extend(
                std::iter::once(first)
                    .chain(named)
                    .map(|name| ("Upgrade", name)),
            );
        }
        self.policy.apply(&mut fields, None);
        rejection.fields = fields;
        Some(rejection)
    }
}

/// Reads a whole body, including its framing; `None` if it is too long or incomplete.
async fn read_body(
    head: &Head,
    transport: &mut Io,
    mut incoming: BytesMut,
) -> io::Result<Option<Bytes>> {
    let mut scanner = BodyScanner::of_answer(head);
    let mut len = 0;
    loop {
        len += scanner.advance(incoming.get(len..).unwrap_or_default());
        if scanner.is_over() {
            incoming.truncate(len);
            return Ok(Some(incoming.freeze()));
        }
        if len > MAX_BODY {
            return Ok(None);
        }
        if transport.read_buf(&mut incoming).await? == 0 {
            let breaks_off = head.has("content-length") || head.has("transfer-encoding");
            return Ok((!breaks_off).then(|| incoming.freeze()));
        }
    }
}

/// Returns the data in the chunks of a complete body (RFC 9112 §7.1); `None` if they are invalid.
fn unchunked(framed: &[u8]) -> Option<Bytes> {
    let (mut body, mut rest) = (BytesMut::new(), framed);
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, data) = rest.split_at_checked(end + 1)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let digits = std::str::from_utf8(line.get(..digits.count())?).ok()?;
        let size = usize::from_str_radix(digits, 16).ok()?;
        if size == 0 {
            return Some(body.freeze());
        }
        let (chunk, behind) = data.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        rest = behind.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use polysock_protocols::http::HeadLimits;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// Reads the body of an answer that arrives in pieces, after which the stream ends.
    async fn body(fields: &str, pieces: &[&[u8]]) -> Option<Bytes> {
        let head = format!("HTTP/1.1 503 Service Unavailable\r\n{fields}\r\n");
        let head = Head::parse(head.as_bytes(), head.len(), &HeadLimits::default());
        let response = Response {
            subprotocol: None,
            head: head.unwrap(),
        };
        let (ours, mut theirs) = duplex(1024);
        let (first, others) = pieces.split_first().unwrap();
        let writing = async {
            for piece in others {
                // This fails if the reader has read enough.
                let _ = theirs.write_all(piece).await;
            }
            drop(theirs);
        };
        let refusal = Refusal::read(response, Io::new(ours), BytesMut::from(*first));
        tokio::join!(refusal, writing).0.body
    }

    #[tokio::test]
    async fn reads_a_body_however_it_is_framed() {
        let chunked = "Transfer-Encoding: chunked\r\n";
        let expected = Some(Bytes::from_static(b"busy, go away"));
        for (fields, pieces) in [
            ("Content-Length: 13\r\n", &[&b"busy, go away"[..]][..]),
            ("Content-Length: 13\r\n", &[b"", b"busy, ", b"go away more"]),
            ("", &[b"busy, ", b"go away"]),
            (
                chunked,
                &[
                    b"6;a=b\r\nbusy, \r\n",
                    b"7\r\ngo ",
                    b"away\r\n0\r\nT: 1\r\n\r\n",
                ],
            ),
        ] {
            assert_eq!(body(fields, pieces).await, expected, "{fields:?}");
        }
        assert_eq!(
            body("Content-Length: 0\r\n", &[b""]).await,
            Some(Bytes::new())
        );
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_or_truncated_is_none() {
        let long = vec![b'x'; MAX_BODY + 4096];
        for (fields, pieces) in [
            ("Content-Length: 14\r\n", &[&b"busy, go away"[..]][..]),
            ("Content-Length: 1\r\nContent-Length: 2\r\n", &[b"12"]),
            ("Transfer-Encoding: chunked\r\n", &[b"6\r\nbusy, \r\n"]),
            ("", &[b"", &long]),
        ] {
            assert_eq!(body(fields, pieces).await, None, "{fields:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_none() {
        let head = "HTTP/1.1 401 Unauthorized\r\n\r\n";
        let head = Head::parse(head.as_bytes(), head.len(), &HeadLimits::default());
        let response = Response {
            subprotocol: None,
            head: head.unwrap(),
        };
        let (ours, _theirs) = duplex(1024);
        let refusal = Refusal::read(response, Io::new(ours), BytesMut::new());
        assert_eq!(refusal.await.body, None);
    }
}
