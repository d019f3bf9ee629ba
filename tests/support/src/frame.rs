//! Frames of protocol version 7 and later, as bytes.

/// Builds a frame of a client. The mask is zero, so the payload is unchanged.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = header(first, payload.len(), 0x80);
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Builds a frame of a server.
pub fn unmasked(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = header(first, payload.len(), 0);
    frame.extend(payload);
    frame
}

/// Builds a client's close with this code and no reason.
pub fn close(code: u16) -> Vec<u8> {
    frame(0x88, code.to_be_bytes())
}

/// Builds the header of a client's binary frame of any length. The mask is zero, so the payload
/// that follows is unchanged.
pub fn binary_header(len: usize) -> Vec<u8> {
    let len = (len as u64).to_be_bytes();
    [&[0x82, 0xff][..], &len, &[0; 4]].concat()
}

fn header(first: u8, len: usize, mask: u8) -> Vec<u8> {
    let mut header = vec![first];
    match u16::try_from(len) {
        Ok(len @ ..=125) => header.extend(len.to_be_bytes().iter().skip(1).map(|len| len | mask)),
        Ok(len) => {
            header.push(126 | mask);
            header.extend(len.to_be_bytes());
        }
        Err(_) => {
            header.push(127 | mask);
            header.extend((len as u64).to_be_bytes());
        }
    }
    header
}
