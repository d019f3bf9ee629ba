//! What costs less than a whole message of one's own: short ones that are lent, and long ones in
//! pieces.

use std::ops::ControlFlow;

use bytes::{Buf, BytesMut};

use super::{Session, State};
use crate::error::{EncodeError, ProtocolError};
use crate::message::{Kind, Message, MessageRef, Piece};
use crate::protocol::Codec;
use crate::protocol::short_frames::{MAX_SHORT, PlainFrames};
use crate::write_buf::WriteBuf;

/// A message of this many bytes is not assembled by [`Session::receive_long`]. So large that what
/// is answered to most messages does not depend on how they were cut on their way.
const LONG: usize = 256 * 1024;

impl<C: Codec> Session<C> {
    /// Lends the whole short messages at the beginning of `src` where they lie, one after the
    /// other, until `take` breaks off: with what. Where this is `None`, go on with
    /// [`receive`](Self::receive) or [`receive_piece`](Self::receive_piece).
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    // A function of its own: what its loop needs stays in registers.
    #[inline(never)]
    pub fn lend<T>(
        &mut self,
        src: &mut BytesMut,
        mut take: impl FnMut(MessageRef<'_>, &mut Self) -> ControlFlow<T>,
    ) -> Result<Option<T>, ProtocolError> {
        if self.incoming.unfinished || matches!(self.state, State::Closed(_)) {
            return Ok(None);
        }
        if self.short_frames.is_none() {
            self.short_frames = self.codec.short_frames();
        }
        let Some(frames) = self.short_frames else {
            return Ok(None);
        };
        let max = usize::try_from(self.max_message).map_or(MAX_SHORT, |max| max.min(MAX_SHORT));
        let mut rest = &mut **src;
        let outcome = loop {
            let Some(short) = frames.find(rest, max) else {
                break Ok(None);
            };
            let (payload, behind) = short.split(rest).unwrap_or_default();
            rest = behind;
            self.keep_alive.hear();
            let message = match short.kind {
                Kind::Binary => MessageRef::Binary(payload),
                Kind::Text => match simdutf8::basic::from_utf8(payload) {
                    Ok(text) => MessageRef::Text(text),
                    Err(_) => break self.fail(ProtocolError::Utf8),
                },
            };
            if let ControlFlow::Break(stopped) = take(message, self) {
                break Ok(Some(stopped));
            }
        };
        match rest.len() {
            // So that what is read next begins where this did, which is warm in the cache.
            0 => src.clear(),
            left => src.advance(src.len().saturating_sub(left)),
        }
        outcome
    }

    /// Takes the next message off `src`, whole if it is shorter than 256 KiB, else in pieces that
    /// are no shorter, but for the last. Do not mix it with [`receive`](Self::receive) within a
    /// message.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    #[inline]
    pub fn receive_long(&mut self, src: &mut BytesMut) -> Result<Option<Piece>, ProtocolError> {
        while let Some(piece) = self.receive_piece(src)? {
            let is_due = piece.end || piece.payload.len() >= LONG;
            if is_due && self.incoming.assembled.is_none() {
                return Ok(Some(piece));
            }
            let mut assembled = self.incoming.assembled.take().unwrap_or_default();
            assembled.extend_from_slice(&piece.payload);
            if piece.end || assembled.len() >= LONG {
                let payload = assembled.freeze();
                return Ok(Some(Piece { payload, ..piece }));
            }
            self.incoming.assembled = Some(assembled);
        }
        Ok(None)
    }

    /// Sends a message that may be lent: a short one is copied to where it waits.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    // A call is a tenth of what a short message costs.
    #[inline(always)]
    pub fn send_ref(&mut self, message: MessageRef<'_>) -> Result<(), EncodeError> {
        let (kind, payload) = match message {
            MessageRef::Text(text) => (Kind::Text, text.as_bytes()),
            MessageRef::Binary(bytes) => (Kind::Binary, bytes),
            MessageRef::Owned(message) => return self.send_owned(message),
        };
        if matches!(self.state, State::Open) && self.send_plain(kind, payload) {
            return Ok(());
        }
        self.send_short(kind, payload)
    }

    // Out of line, so that what is done for each short message is short.

    #[inline(never)]
    fn send_short(&mut self, kind: Kind, payload: &[u8]) -> Result<(), EncodeError> {
        if !matches!(self.state, State::Open) {
            return Err(EncodeError::Closing);
        }
        self.codec.encode_short(kind, payload, &mut self.outgoing)?;
        self.sending = false;
        Ok(())
    }

    #[inline(never)]
    fn send_owned(&mut self, message: Message) -> Result<(), EncodeError> {
        self.send(message)
    }

    /// How short messages are written where nothing else is needed.
    pub fn plain_frames(&self) -> Option<PlainFrames> {
        self.plain_frames
    }

    /// Sends a short message without asking the codec; `false` where that cannot be.
    #[inline(always)]
    pub(super) fn send_plain(&mut self, kind: Kind, payload: &[u8]) -> bool {
        let frames = self.plain_frames.as_ref().filter(|_| !self.sending);
        frames.is_some_and(|frames| frames.write(kind, payload, &mut self.outgoing))
    }

    /// Whether a message that is received in pieces has begun and not ended.
    #[inline]
    pub fn is_receiving(&self) -> bool {
        self.incoming.unfinished
    }

    /// Sees to it that what is to be sent has an allocation to be copied into: `empty`
    /// gives a buffer in which nothing waits.
    #[inline]
    pub fn lend_buffer(&mut self, empty: fn() -> WriteBuf) {
        if !self.outgoing.is_allocated() {
            self.take_buffer(empty);
        }
    }

    #[cold]
    #[inline(never)]
    fn take_buffer(&mut self, empty: fn() -> WriteBuf) {
        self.outgoing = empty();
    }
}
