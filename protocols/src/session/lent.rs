//! Messages that are lent instead of shared.

use super::{Session, State};
use crate::error::{EncodeError, ProtocolError};
use crate::message::{Kind, MessageRef};
use crate::protocol::Codec;

impl<C: Codec> Session<C> {
    /// Lends the next message where it lies, if it is whole, short and at the beginning of `src`;
    /// also says how many bytes of `src` to drop once it has been looked at. Where this is `None`,
    /// go on with [`receive`](Self::receive) or [`receive_piece`](Self::receive_piece).
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    #[inline]
    pub fn receive_short<'a>(
        &mut self,
        src: &'a mut [u8],
    ) -> Result<Option<(MessageRef<'a>, usize)>, ProtocolError> {
        let begun = self.incoming.unfinished || matches!(self.state, State::Closed(_));
        if begun || src.is_empty() {
            return Ok(None);
        }
        let Some(short) = self.codec.decode_short(src) else {
            return Ok(None);
        };
        self.keep_alive.hear();
        let at = usize::from(short.start)..usize::from(short.end);
        let payload = src.get(at).unwrap_or_default();
        let limit = self.max_message;
        if payload.len() as u64 > limit {
            return self.fail(ProtocolError::MessageTooLong { limit });
        }
        let message = match short.kind {
            Kind::Binary => MessageRef::Binary(payload),
            Kind::Text => match std::str::from_utf8(payload) {
                Ok(text) => MessageRef::Text(text),
                Err(_) => return self.fail(ProtocolError::Utf8),
            },
        };
        Ok(Some((message, usize::from(short.frame_end))))
    }

    /// Sends a message that may be lent: a short one is copied to where it waits.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_ref(&mut self, message: MessageRef<'_>) -> Result<(), EncodeError> {
        let (kind, payload) = match message {
            MessageRef::Text(text) => (Kind::Text, text.as_bytes()),
            MessageRef::Binary(bytes) => (Kind::Binary, bytes),
            MessageRef::Owned(message) => return self.send(message),
        };
        if !matches!(self.state, State::Open) {
            return Err(EncodeError::Closing);
        }
        self.codec.encode_short(kind, payload, &mut self.outgoing)?;
        self.sending = false;
        Ok(())
    }

    /// Whether [`outgoing`](Self::outgoing) has an allocation.
    #[inline]
    pub fn has_buffer(&self) -> bool {
        self.outgoing.has_buffer()
    }
}
