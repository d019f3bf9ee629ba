//! The bytes of an opening handshake on the wire.

use bytes::{Bytes, BytesMut};

/// The bytes of an HTTP/1 opening handshake on the wire, including those after its heads (hixie-76:
/// eight bytes of the client, and sixteen of the answer).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandshakeBytes {
    /// The received bytes.
    pub received: Bytes,
    /// The sent bytes.
    pub sent: Bytes,
}

/// A mark for a client whose handshake is kept for a tap of its connection. Stored in the
/// [extensions](crate::Peer::extensions) of the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptHandshake;

/// A recorder of an opening handshake, which does nothing unless the handshake is to be kept.
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

    /// Records received bytes.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if let Some(kept) = &mut self.kept {
            kept.0.extend_from_slice(bytes);
        }
    }

    /// Records sent bytes.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        if let Some(kept) = &mut self.kept {
            kept.1.extend_from_slice(bytes);
        }
    }

    /// Removes the last `count` [received](Self::received) bytes, which are not part of the
    /// handshake.
    pub(crate) fn leave(&mut self, count: usize) {
        if let Some(kept) = &mut self.kept {
            let len = kept.0.len().saturating_sub(count);
            kept.0.truncate(len);
        }
    }

    /// Returns the handshake. `None` if it was not kept.
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
