//! Receiving: whole messages, pieces of messages, and short messages that are borrowed.

use std::ops::ControlFlow;

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;

use super::{Session, State};
use crate::error::ProtocolError;
use crate::message::{Event, Kind, Message, MessageRef, Piece};
use crate::protocol::short_frames::MAX_SHORT;

impl Session {
    /// Takes the next whole message off `src`; `None` if more bytes are needed or the session is
    /// closed ([`closed`](Self::closed)).
    ///
    /// A message that is contiguous in `src` is not copied.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol or a limit. The session is closed, and its close frame is in
    /// [`outgoing`](Self::outgoing).
    #[inline]
    pub fn receive(&mut self, src: &mut BytesMut) -> Result<Option<Message>, ProtocolError> {
        loop {
            let received = self.receive_in_turns(src)?;
            if received.is_some() || !self.is_paused() {
                return Ok(received);
            }
        }
    }

    /// The same as [`receive`](Self::receive), for callers that also serve other sessions: also
    /// returns `None` each time that about 1 MiB of a message has been assembled. Call it again
    /// then ([`is_paused`](Self::is_paused)).
    ///
    /// # Errors
    ///
    /// The same as for [`receive`](Self::receive).
    #[inline]
    pub fn receive_in_turns(
        &mut self,
        src: &mut BytesMut,
    ) -> Result<Option<Message>, ProtocolError> {
        self.incoming.share = 0;
        while let Some(piece) = self.next_piece(src)? {
            if piece.end && self.incoming.assembled.is_none() {
                return self.message(piece.kind, piece.payload).map(Some);
            }
            self.validate(&piece)?;
            if let Some(whole) = self.assemble(&piece, usize::MAX)? {
                return self.message(whole.kind, whole.payload).map(Some);
            }
            let more = u32::try_from(piece.payload.len()).unwrap_or(u32::MAX);
            self.incoming.share = self.incoming.share.saturating_add(more);
            if self.is_paused() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Takes the next piece of a message off `src`: at least `min` bytes, unless the piece ends its
    /// message. With 0, pieces are returned as they arrive, for relays, which need not assemble;
    /// otherwise a message shorter than `min` is returned whole. Do not mix it with
    /// [`receive`](Self::receive) within a message.
    ///
    /// # Errors
    ///
    /// The same as for [`receive`](Self::receive).
    #[inline]
    pub fn receive_piece(
        &mut self,
        src: &mut BytesMut,
        min: usize,
    ) -> Result<Option<Piece>, ProtocolError> {
        self.incoming.share = 0;
        while let Some(piece) = self.next_piece(src)? {
            self.validate(&piece)?;
            let is_due = piece.end || piece.payload.len() >= min;
            if is_due && self.incoming.assembled.is_none() {
                return Ok(Some(piece));
            }
            if let Some(piece) = self.assemble(&piece, min)? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// Takes the whole short messages off the beginning of `src`, one after another, without
    /// copying. `take` borrows each message; it stops the loop by breaking with a value, which is
    /// returned. `None` means that [`receive`](Self::receive) or
    /// [`receive_piece`](Self::receive_piece) must take what comes next, or that `src` is empty.
    ///
    /// # Errors
    ///
    /// The same as for [`receive`](Self::receive).
    // Not inlined, so that the variables of the loop stay in registers.
    #[inline(never)]
    pub fn receive_borrowed<T>(
        &mut self,
        src: &mut BytesMut,
        mut take: impl FnMut(MessageRef<'_>, &mut Self) -> ControlFlow<T>,
    ) -> Result<Option<T>, ProtocolError> {
        if self.incoming.unfinished || matches!(self.state, State::Closed(_)) {
            return Ok(None);
        }
        if self.reads.is_none() {
            self.reads = self.codec.reads();
        }
        let Some(frames) = self.reads else {
            return Ok(None);
        };
        let max = usize::try_from(self.max_message).map_or(MAX_SHORT, |max| max.min(MAX_SHORT));
        let mut rest = &mut **src;
        let mut count = 0_u32;
        let (mut texts, mut bytes) = (0_u32, 0_usize);
        let outcome = loop {
            let (kind, payload) = match frames.split(rest, max) {
                Ok(split) => {
                    rest = split.rest;
                    (split.kind, split.payload)
                }
                Err(whole) => {
                    rest = whole;
                    break Ok(None);
                }
            };
            count = count.wrapping_add(1);
            bytes = bytes.wrapping_add(payload.len());
            let message = match kind {
                Kind::Binary => MessageRef::Binary(payload),
                Kind::Text => match simdutf8::basic::from_utf8(payload) {
                    Ok(text) => {
                        texts = texts.wrapping_add(1);
                        MessageRef::Text(text)
                    }
                    Err(_) => break self.fail(ProtocolError::Utf8),
                },
            };
            if let ControlFlow::Break(stopped) = take(message, self) {
                break Ok(Some(stopped));
            }
        };
        self.keep_alive.record_messages(count);
        self.received = self.received.wrapping_add(count.into());
        self.counted.add_received(texts, bytes as u64);
        match rest.len() {
            // `clear` keeps the start of the buffer, so that the next read goes to memory in the
            // cache.
            0 => src.clear(),
            left => src.advance(src.len().saturating_sub(left)),
        }
        outcome
    }

    /// True if a message that is received in pieces has begun and not ended.
    #[inline]
    pub fn is_receiving(&self) -> bool {
        self.incoming.unfinished
    }

    /// Returns the next piece, after checking the limits, and handles the control events before it.
    #[inline]
    fn next_piece(&mut self, src: &mut BytesMut) -> Result<Option<Piece>, ProtocolError> {
        loop {
            if let State::Closed(_) = self.state {
                // RFC 6455 §5.5.1: data after a close frame is discarded.
                src.clear();
                return Ok(None);
            }
            self.reads = None;
            let event = match self.codec.decode(src) {
                Ok(Some(event)) => event,
                Ok(None) => {
                    let announced = self.codec.announced().unwrap_or_default();
                    self.check_len(self.incoming.len.saturating_add(announced))?;
                    return Ok(None);
                }
                Err(error) => return self.fail(error),
            };
            match event {
                Event::Data(piece) => {
                    self.count(&piece)?;
                    return Ok(Some(piece));
                }
                event => self.receive_control(event),
            }
        }
    }

    /// Counts a piece, and fails if its message is too long or is announced to be.
    #[inline]
    fn count(&mut self, piece: &Piece) -> Result<(), ProtocolError> {
        let len = self.incoming.len.saturating_add(piece.payload.len() as u64);
        if piece.end {
            self.check_len(len)?;
            self.keep_alive.record_activity();
            self.received = self.received.wrapping_add(1);
        } else {
            // An announced length over the limit fails immediately, without waiting for the data.
            let announced = self.codec.announced();
            self.check_len(len.saturating_add(announced.unwrap_or_default()))?;
            match announced {
                Some(0) => self.keep_alive.record_activity(),
                _ => self.keep_alive.record_part(piece.payload.len()),
            }
        }
        self.counted
            .received(piece.kind, piece.payload.len(), piece.end, len);
        self.incoming.len = if piece.end { 0 } else { len };
        self.incoming.unfinished = !piece.end;
        Ok(())
    }

    #[inline]
    fn check_len(&mut self, len: u64) -> Result<(), ProtocolError> {
        let limit = self.max_message;
        if len > limit {
            return self.fail(ProtocolError::MessageTooLong { limit });
        }
        Ok(())
    }

    fn receive_control(&mut self, event: Event) {
        self.keep_alive.record_activity();
        self.rates.count_control();
        match event {
            Event::Ping(payload) => {
                // Only the newest ping is answered.
                self.unanswered_ping = None;
                self.answer_ping(payload);
            }
            Event::Pong(payload) => self.pong.receive(&payload),
            Event::Data(_) => {}
            Event::Close(close) => self.closed_by_peer(close),
        }
    }

    /// Appends a piece to its message, and returns the assembled bytes once they are at least `min`
    /// or the message has ended.
    fn assemble(&mut self, piece: &Piece, min: usize) -> Result<Option<Piece>, ProtocolError> {
        let mut assembled = self.incoming.assembled.take().unwrap_or_default();
        let len = assembled.len().saturating_add(piece.payload.len());
        if len > assembled.capacity() {
            // At most twice the bytes received so far, and at most the limit.
            let most = usize::try_from(self.max_message).unwrap_or(usize::MAX);
            let wanted = assembled.len().saturating_mul(2).min(most).max(len);
            let missing = wanted.saturating_sub(assembled.len());
            if assembled.try_reserve_exact(missing).is_err() {
                let limit = assembled.len() as u64;
                return self.fail(ProtocolError::MessageTooLong { limit });
            }
        }
        assembled.extend_from_slice(&piece.payload);
        if piece.end || assembled.len() >= min {
            let payload = (*assembled).into();
            let Piece { kind, end, .. } = *piece;
            return Ok(Some(Piece { kind, payload, end }));
        }
        self.incoming.assembled = Some(assembled);
        Ok(None)
    }

    /// Fails at the first invalid byte of a text.
    #[inline]
    fn validate(&mut self, piece: &Piece) -> Result<(), ProtocolError> {
        if piece.kind == Kind::Binary {
            return Ok(());
        }
        let valid = self.incoming.utf8.advance(&piece.payload, piece.end);
        valid.or_else(|_| self.fail(ProtocolError::Utf8))
    }

    #[inline]
    fn message(&mut self, kind: Kind, payload: Bytes) -> Result<Message, ProtocolError> {
        match kind {
            Kind::Binary => Ok(Message::Binary(payload)),
            Kind::Text => match ByteString::try_from(payload) {
                Ok(text) => Ok(Message::Text(text)),
                Err(_) => self.fail(ProtocolError::Utf8),
            },
        }
    }
}
