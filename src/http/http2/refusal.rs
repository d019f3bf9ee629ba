//! How a connection of HTTP/2 is refused before anything of it is looked at.

use bytes::{BufMut, Bytes, BytesMut};

/// The types of frames (RFC 9113 §6).
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// RFC 9113 §7: the load is too high. A client that is told NO_ERROR would connect again at once.
const ENHANCE_YOUR_CALM: u32 = 11;

/// The server's preface (RFC 9113 §3.4) and a GOAWAY that says that no request was looked at
/// (§6.8), with a reason for people.
pub(crate) fn refusal(reason: &str) -> Bytes {
    let mut frames = BytesMut::new();
    put_header(&mut frames, 0, SETTINGS);
    put_header(&mut frames, 8 + reason.len(), GOAWAY);
    // The last stream that was looked at.
    frames.put_u32(0);
    frames.put_u32(ENHANCE_YOUR_CALM);
    frames.put_slice(reason.as_bytes());
    frames.freeze()
}

/// The header of a frame without flags, of the connection itself (RFC 9113 §4.1).
fn put_header(frames: &mut BytesMut, len: usize, kind: u8) {
    frames.put_uint(len as u64, 3);
    frames.put_u8(kind);
    frames.put_u8(0);
    frames.put_u32(0);
}
