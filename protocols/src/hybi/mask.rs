//! Masking: XOR with a repeated key (RFC 6455 §5.3), and the whole-frame masks of drafts 04 to 06.

use sha1::{Digest, Sha1};

use crate::protocol::short_frames::xor;

/// draft-ietf-hybi-thewebsocketprotocol-04 §4.2: the string that is hashed into the masking key.
const MASKING_GUID: &[u8] = b"61AC5F19-FBBA-4540-B96F-6561F1AB40A8";

/// A masking key with its position, since the payload of a frame may arrive in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    /// No masking.
    None,
    /// A key of four bytes, rotated so that its first byte masks the next byte.
    Four([u8; 4]),
    /// A key of twenty bytes (draft 04), rotated likewise.
    Twenty(Box<[u8; 20]>),
}

impl Mask {
    /// Derives the key of a frame from its nonce and the connection's masking key (draft-04 §4.2).
    pub(crate) fn of_frame(nonce: [u8; 4], masking_key: &[u8; 20]) -> Self {
        let hash = Sha1::new().chain_update(nonce).chain_update(masking_key);
        Self::Twenty(Box::new(hash.finalize().into()))
    }

    /// Masks or unmasks the next bytes: XOR is its own inverse.
    #[inline]
    pub(crate) fn apply(&mut self, bytes: &mut [u8]) {
        match self {
            Self::None => {}
            Self::Four(key) => {
                xor(bytes, *key);
                key.rotate_left(bytes.len() % 4);
            }
            Self::Twenty(key) => {
                for (byte, key) in bytes.iter_mut().zip(key.iter().cycle()) {
                    *byte ^= key;
                }
                key.rotate_left(bytes.len() % 20);
            }
        }
    }
}

/// Derives the connection's masking key from the two field values, undecoded (draft-04 §4.2).
pub(crate) fn masking_key(key: &[u8], nonce: &[u8]) -> [u8; 20] {
    Sha1::new()
        .chain_update(key)
        .chain_update(nonce)
        .chain_update(MASKING_GUID)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_in_two_parts_equals_masking_whole() {
        let plain: Vec<u8> = (0..200).collect();
        for mask in [Mask::Four([1, 2, 3, 4]), Mask::of_frame([9; 4], &[7; 20])] {
            let mut whole = plain.clone();
            mask.clone().apply(&mut whole);
            for cut in 0..plain.len() {
                let mut bytes = plain.clone();
                let mut mask = mask.clone();
                let (first, second) = bytes.split_at_mut(cut);
                mask.apply(first);
                mask.apply(second);
                assert_eq!(bytes, whole);
            }
        }
    }

    #[test]
    fn derives_the_keys_of_draft_04() {
        let key = masking_key(b"dGhlIHNhbXBsZSBub25jZQ==", b"H+cNj5elaybfGIQv1esl2w==");
        assert_eq!(
            key,
            hex_literal::hex!("6322a2adc02bc433e3896d34410b74bb7739f960")
        );
        let frame = Mask::of_frame([0, 0, 0, 1], &key);
        assert_eq!(
            frame,
            Mask::Twenty(Box::new(hex_literal::hex!(
                "a1896615734ec12bd9eb14a5a307619ba3544d48"
            )))
        );
    }
}
