//! What comes from the peer: whole messages, pieces of them, and short ones that are borrowed.

use std::ops::ControlFlow;

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;

use super::{Session, State};
use crate::error::ProtocolError;
use crate::message::{Event, Kind, Message, MessageRef, Piece};
use crate::protocol::short_frames::MAX_SHORT;

impl Session {
    /// Takes the next whole message off `src`. `None` where more bytes are needed, or the session
    /// is closed ([`closed`](Self::closed)).
    ///
    /// A message that lies in `src` in one piece is not copied.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol or a limit. The close frame that says so is in
    /// [`outgoing`](Self::outgoing), and the session is closed.
    #[inline]
    pub fn receive(&mut self, src: &mut BytesMut) -> Result<Option<Message>, ProtocolError> {
        while let Some(piece) = self.next_piece(src)? {
            if piece.end && self.incoming.assembled.is_none() {
                return self.message(piece.kind, piece.payload).map(Some);
            }
            self.validate(&piece)?;
            if let Some(whole) = self.assemble(&piece, usize::MAX) {
                return self.message(whole.kind, whole.payload).map(Some);
            }
        }
        Ok(None)
    }

    /// Takes the next piece of a message off `src`: `min` bytes or more, unless the message ends
    /// with it. With 0 it is what is there, for relays, which need not assemble; otherwise messages
    /// that are shorter come whole. Do not mix it with [`receive`](Self::receive) within a message.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    #[inline]
    pub fn receive_piece(
        &mut self,
        src: &mut BytesMut,
        min: usize,
    ) -> Result<Option<Piece>, ProtocolError> {
        while let Some(piece) = self.next_piece(src)? {
            self.validate(&piece)?;
            let is_due = piece.end || piece.payload.len() >= min;
            if is_due && self.incoming.assembled.is_none() {
                return Ok(Some(piece));
            }
            if let Some(piece) = self.assemble(&piece, min) {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// Takes the whole short messages off the beginning of `src`, one after the other, without
    /// copying them: `take` borrows each, and stops by breaking with a value, which is returned.
    /// `None` says that something else comes next, for [`receive`](Self::receive) or
    /// [`receive_piece`](Self::receive_piece) to take.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    // A function of its own: what its loop needs stays in registers.
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
            self.keep_alive.record_activity();
            let message = match kind {
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

    /// Whether a message that is received in pieces has begun and not ended.
    #[inline]
    pub fn is_receiving(&self) -> bool {
        self.incoming.unfinished
    }

    /// The next piece, within the limits; deals with the control events before it.
    #[inline]
    fn next_piece(&mut self, src: &mut BytesMut) -> Result<Option<Piece>, ProtocolError> {
        loop {
            if let State::Closed(_) = self.state {
                // RFC 6455 §5.5.1: what comes after a close frame is not looked at.
                src.clear();
                return Ok(None);
            }
            self.reads = None;
            let event = match self.codec.decode(src) {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(None),
                Err(error) => return self.fail(error),
            };
            self.keep_alive.record_activity();
            match event {
                Event::Data(piece) => {
                    let len = self.incoming.len.saturating_add(piece.payload.len() as u64);
                    let limit = self.max_message;
                    if len > limit {
                        return self.fail(ProtocolError::MessageTooLong { limit });
                    }
                    self.incoming.len = if piece.end { 0 } else { len };
                    self.incoming.unfinished = !piece.end;
                    return Ok(Some(piece));
                }
                Event::Ping(payload) => {
                    // Only the newest is answered.
                    self.unanswered_ping = None;
                    self.answer_ping(payload);
                }
                // Unsolicited pongs are a keep-alive of IE 10 and .NET.
                Event::Pong(_) => {}
                Event::Close(close) => self.closed_by_peer(close),
            }
        }
    }

    /// Adds a piece to what has come of its message, and gives that out once it has `min` bytes or
    /// is all.
    fn assemble(&mut self, piece: &Piece, min: usize) -> Option<Piece> {
        let mut assembled = self.incoming.assembled.take().unwrap_or_default();
        assembled.extend_from_slice(&piece.payload);
        if piece.end || assembled.len() >= min {
            let payload = assembled.freeze();
            let Piece { kind, end, .. } = *piece;
            return Some(Piece { kind, payload, end });
        }
        self.incoming.assembled = Some(assembled);
        None
    }

    /// Fails at the first byte of a text that is wrong.
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
