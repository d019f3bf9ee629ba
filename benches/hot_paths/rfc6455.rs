//! The request and the frames of an rfc6455 client.

pub(crate) const RFC6455: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Returns a masked frame of rfc6455 with a payload of `len` bytes.
pub(crate) fn masked_frame(opcode: u8, len: usize) -> Vec<u8> {
    masked(0x80 | opcode, &vec![b'x'; len])
}

/// Returns a masked frame with this first byte.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(short @ ..126) => frame.push(0x80 | short.to_be_bytes()[1]),
        Ok(short) => {
            frame.push(0x80 | 126);
            frame.extend(short.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(mask);
    let unmasked = payload.iter().zip(mask.iter().cycle());
    frame.extend(unmasked.map(|(byte, mask)| byte ^ mask));
    frame
}
