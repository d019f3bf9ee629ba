//! The refusal of an HTTP/2 connection before any of its frames is read.

use bytes::{BufMut, Bytes, BytesMut};

/// The frame types that are sent (RFC 9113 §6).
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// The error code for excessive load (RFC 9113 §7). After NO_ERROR a client would reconnect
/// immediately.
const ENHANCE_YOUR_CALM: u32 = 11;

/// Returns the server's preface (RFC 9113 §3.4) and a GOAWAY which says that no request was
/// processed (§6.8), with a reason for humans.
pub(crate) fn refusal(reason: &str) -> Bytes {
    let mut frames = BytesMut::new();
    put_header(&mut frames, 0, SETTINGS);
    put_header(&mut frames, 8 + reason.len(), GOAWAY);
    // The last stream that was processed: none.
    frames.put_u32(0);
    frames.put_u32(ENHANCE_YOUR_CALM);
    frames.put_slice(reason.as_bytes());
    frames.freeze()
}

/// Writes the header of a frame that has no flags and belongs to the connection (RFC 9113 §4.1).
fn put_header(frames: &mut BytesMut, len: usize, kind: u8) {
    frames.put_uint(len as u64, 3);
    frames.put_u8(kind);
    frames.put_u8(0);
    frames.put_u32(0);
}
