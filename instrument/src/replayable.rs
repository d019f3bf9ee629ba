//! A server whose sessions replay.

use polysock::{Origins, Settings};
use polysock_protocols::PROTOCOLS;

/// The settings of a server whose sessions replay: it speaks everything, to everybody, sends no
/// pings, does not compress, and its nonces are known. `secure` is whether TLS ends at a proxy in front.
///
/// Masks of hybi-04 to hybi-06 are made of such a nonce, so a page can choose what bytes its
/// frames are on the wire: this is no server for daily use.
pub fn replayable(secure: bool) -> Settings {
    Settings {
        protocols: PROTOCOLS.to_vec(),
        origins: Origins::Any,
        ping_interval: None,
        flash_policy: true,
        secure,
        entropy,
        compression: None,
        ..Settings::default()
    }
}

/// Fills keys and nonces in a replay, so that every byte is known: with the masking key of
/// the examples in RFC 6455 §5.7, over and over.
pub(crate) fn entropy(bytes: &mut [u8]) {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    for (byte, key) in bytes.iter_mut().zip(key.into_iter().cycle()) {
        *byte = key;
    }
}
