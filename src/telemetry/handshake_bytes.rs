//! An opening handshake as it is on the wire.

use bytes::{Bytes, BytesMut};

/// An opening handshake of HTTP/1 as it is on the wire, with what belongs to it behind its heads (Hixie-76: the
/// eight bytes of the client, and the sixteen of the answer).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandshakeBytes {
    /// What has come.
    pub received: Bytes,
    /// What has gone out.
    pub sent: Bytes,
}

/// Marks a client whose handshake is to be kept, for whoever taps its connection; among the
/// [extensions](crate::Peer::extensions) of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptHandshake;

/// An opening handshake that is being kept, where it is to be.
#[derive(Debug, Default)]
pub(crate) struct HandshakeKeeper {
    kept: Option<Box<(BytesMut, BytesMut)>>,
}

impl HandshakeKeeper {
    pub(crate) fn new(is_kept: bool) -> Self {
        Self {
            kept: is_kept.then(Box::default),
        }
    }

    /// Something has come.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if let Some(kept) = &mut self.kept {
            kept.0.extend_from_slice(bytes);
        }
    }

    /// Something goes out.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        if let Some(kept) = &mut self.kept {
            kept.1.extend_from_slice(bytes);
        }
    }

    /// Takes back what was [received](Self::received) behind the handshake: so many bytes.
    pub(crate) fn leave(&mut self, count: usize) {
        if let Some(kept) = &mut self.kept {
            let len = kept.0.len().saturating_sub(count);
            kept.0.truncate(len);
        }
    }

    /// The handshake, where it was kept.
    pub(crate) fn finish(self) -> Option<Box<HandshakeBytes>> {
        self.kept.map(|kept| {
            let (received, sent) = *kept;
            Box::new(HandshakeBytes {
                received: received.freeze(),
                sent: sent.freeze(),
            })
        })
    }
}
