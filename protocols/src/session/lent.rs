//! Messages that are lent instead of shared.

use std::ops::ControlFlow;

use bytes::{Buf, BytesMut};

use super::{Session, State};
use crate::error::{EncodeError, ProtocolError};
use crate::message::{Kind, MessageRef};
use crate::protocol::Codec;
use crate::short::Shorts;

impl<C: Codec> Session<C> {
    /// Lends the whole short messages at the beginning of `src` where they lie, one after the
    /// other, until `take` breaks off: with what. Where this is `None`, go on with
    /// [`receive`](Self::receive) or [`receive_piece`](Self::receive_piece).
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    #[inline]
    pub fn lend<T>(
        &mut self,
        src: &mut BytesMut,
        mut take: impl FnMut(MessageRef<'_>, &mut Self) -> ControlFlow<T>,
    ) -> Result<Option<T>, ProtocolError> {
        let mut shorts = Shorts::new();
        loop {
            if self.incoming.unfinished || matches!(self.state, State::Closed(_)) {
                return Ok(None);
            }
            shorts.clear();
            self.codec.find_short(src, &mut shorts);
            if shorts.found().is_empty() {
                return Ok(None);
            }
            self.keep_alive.hear();
            let limit = self.max_message;
            let (mut taken, mut rest) = (0usize, &mut **src);
            let outcome = 'lending: {
                for short in shorts.found() {
                    let (payload, behind) = short.split(rest);
                    rest = behind;
                    taken = taken.saturating_add(short.frame());
                    if payload.len() as u64 > limit {
                        break 'lending self.fail(ProtocolError::MessageTooLong { limit });
                    }
                    let message = match short.kind {
                        Kind::Binary => MessageRef::Binary(payload),
                        Kind::Text => match std::str::from_utf8(payload) {
                            Ok(text) => MessageRef::Text(text),
                            Err(_) => break 'lending self.fail(ProtocolError::Utf8),
                        },
                    };
                    if let ControlFlow::Break(stopped) = take(message, self) {
                        break 'lending Ok(Some(stopped));
                    }
                }
                Ok(None)
            };
            src.advance(taken);
            if !(shorts.is_full() && matches!(outcome, Ok(None))) {
                return outcome;
            }
        }
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
