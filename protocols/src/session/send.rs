//! Sending: messages, pieces of messages, and pings.

use bytes::Bytes;

use super::sums::is_text;
use super::{Session, SharedMessage, State};
use crate::error::EncodeError;
use crate::message::{Event, Kind, Message, MessageRef, Piece};
use crate::protocol::ShortFrames;
use crate::write_buf::WriteBuf;

impl Session {
    /// Sends a message.
    ///
    /// # Errors
    ///
    /// The protocol cannot carry it, or the session is closing.
    #[inline]
    pub fn send(&mut self, message: Message) -> Result<(), EncodeError> {
        self.send_piece(message.into())
    }

    /// Sends a piece of a message; until the end of the message, the next piece must belong to it
    /// too.
    ///
    /// # Errors
    ///
    /// The same as for [`send`](Self::send).
    #[inline]
    pub fn send_piece(&mut self, piece: Piece) -> Result<(), EncodeError> {
        if !matches!(self.state, State::Open) {
            return Err(EncodeError::Closing);
        }
        let (kind, len, end) = (piece.kind, piece.payload.len(), piece.end);
        self.codec.encode(Event::Data(piece), &mut self.outgoing)?;
        let is_first = !std::mem::replace(&mut self.sending, !end);
        self.sent = self.sent.wrapping_add(end.into());
        self.counted.sent(kind, len, end, is_first);
        Ok(())
    }

    /// Sends a message that may be borrowed: a short one is copied into the output buffer.
    ///
    /// # Errors
    ///
    /// The same as for [`send`](Self::send).
    // Always inlined: a call costs a tenth of sending a short message.
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

    // The rarer cases are not inlined, to keep the code for each short message small.

    #[inline(never)]
    fn send_short(&mut self, kind: Kind, payload: &[u8]) -> Result<(), EncodeError> {
        if !self.is_open() {
            return Err(EncodeError::Closing);
        }
        if let Some(frames @ ShortFrames::Counted { masked: true, .. }) = self.writes
            && !self.sending
            && frames.write_masked(kind, payload, self.codec.masking_key(), &mut self.outgoing)
        {
            self.count_short(kind, payload);
            return Ok(());
        }
        self.send_piece(Piece {
            kind,
            payload: Bytes::copy_from_slice(payload),
            end: true,
        })
    }

    #[inline(never)]
    fn send_owned(&mut self, message: Message) -> Result<(), EncodeError> {
        self.send(message)
    }

    /// Returns the layout in which others may write short messages between two messages of this
    /// session; `None` if the codec must write them or they need a masking key.
    pub fn writes(&self) -> Option<ShortFrames> {
        let needs_key = |frames: &_| matches!(frames, ShortFrames::Counted { masked: true, .. });
        self.writes.filter(|frames| !needs_key(frames))
    }

    /// Sends a short message without calling the codec; returns `false` if that is impossible.
    #[inline(always)]
    pub(super) fn send_plain(&mut self, kind: Kind, payload: &[u8]) -> bool {
        let frames = self.writes.as_ref().filter(|_| !self.sending);
        let is_sent = frames.is_some_and(|frames| frames.write(kind, payload, &mut self.outgoing));
        if is_sent {
            self.count_short(kind, payload);
        }
        is_sent
    }

    /// Counts a complete short message.
    #[inline(always)]
    fn count_short(&mut self, kind: Kind, payload: &[u8]) {
        self.sent = self.sent.wrapping_add(1);
        self.counted
            .add_sent(is_text(kind, true), payload.len() as u64);
    }

    /// Sends a message that other sessions send too, in order with this session's own messages.
    ///
    /// # Errors
    ///
    /// The same as for [`send`](Self::send); also if a message sent in pieces has not ended.
    pub fn send_shared(&mut self, message: &SharedMessage) -> Result<(), EncodeError> {
        if !self.is_open() {
            return Err(EncodeError::Closing);
        }
        if self.sending {
            return Err(EncodeError::Unfinished);
        }
        if self.send_plain(message.kind(), message.message().as_bytes()) {
            return Ok(());
        }
        message.encode(&mut *self.codec, &mut self.outgoing)?;
        self.sent = self.sent.wrapping_add(1);
        let len = message.message().as_bytes().len();
        self.counted.sent(message.kind(), len, true, true);
        Ok(())
    }

    /// Counts messages that others have written between those of this session.
    pub fn record_sent(&mut self, count: u64) {
        self.sent = self.sent.wrapping_add(count);
    }

    /// Counts the texts and the payload bytes of such messages, for [`take_sums`](Self::take_sums).
    pub fn record_sums_sent(&mut self, texts: u32, payload: u64) {
        self.counted.add_sent(texts, payload);
    }

    /// Sends a ping with this payload, in protocols that have pings. Its answer is not reported.
    pub fn ping(&mut self, payload: Bytes) {
        if self.is_open() && self.codec.capabilities().ping {
            self.send_control(Event::Ping(payload));
        }
    }

    /// True if a message that is sent in pieces has begun and not ended. Other messages must wait.
    pub fn is_sending(&self) -> bool {
        self.sending
    }

    /// Ensures that the output buffer has an allocation into which messages are copied; `empty`
    /// returns an empty buffer to use if it has none.
    #[inline]
    pub fn reserve_buffer(&mut self, empty: fn() -> WriteBuf) {
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
