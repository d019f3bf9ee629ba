//! The requests and frames of other clients than those in `rfc6455`.

use flate2::{Compress, Compression, FlushCompress};

use crate::rfc6455::masked;

pub(crate) const RFC6455_DEFLATE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
pub(crate) const HIXIE76: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: WebSocket\r\n\
    Connection: Upgrade\r\nOrigin: http://localhost\r\nSec-WebSocket-Key1: 1 2\r\n\
    Sec-WebSocket-Key2: 3 3\r\n\r\n12345678";

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n";

/// A close of RFC 6455, with code 1000.
pub(crate) const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";

/// Returns a masked frame with a text of `len` bytes, compressed separately.
pub(crate) fn deflated_frame(len: usize) -> Vec<u8> {
    let entry =
        |number: usize| format!("{{\"id\":{number},\"price\":{}.99}},", number * number % 97);
    let text: String = (0..len).map(entry).collect();
    let mut stream = Compress::new(Compression::default(), false);
    let mut deflated = Vec::with_capacity(len + 64);
    let text = text.as_bytes().get(..len).unwrap_or_default();
    let flush = FlushCompress::Sync;
    let written = stream.compress_vec(text, &mut deflated, flush);
    written.expect("deflate takes any input");
    // RFC 7692 §7.2.1: the four bytes at the end of a flush are removed.
    deflated.truncate(deflated.len() - 4);
    masked(0xc1, &deflated)
}

/// Returns a frame `00 … FF` with `len` bytes.
pub(crate) fn hixie_frame(len: usize) -> Vec<u8> {
    [&[0][..], &vec![b'x'; len], &[0xff]].concat()
}
