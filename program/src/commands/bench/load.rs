//! The load on one connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::SinkExt;
use polysock::{Closed, Connection, ConnectionError, Message};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::tally::{SharedTally, Tally, record};

/// A connection that keeps some messages in flight.
#[derive(Debug)]
pub(super) struct Load {
    connection: Connection,
    message: Message,
    in_flight: usize,
    /// True if the server echoes a byte stream, whose message boundaries have no meaning.
    byte_stream: bool,
    /// The times at which unanswered messages were passed to the sink, the oldest first.
    sent: VecDeque<Instant>,
    /// The received bytes of the current answer.
    received: usize,
    /// True if the first answer has been compared with the sent message and is equal.
    verified: bool,
}

impl Load {
    /// Creates a load of binary messages, or of text if requested or if the protocol has no binary.
    /// For a byte stream, the payload must have at least one byte.
    pub(super) fn new(
        connection: Connection,
        payload: &Payload,
        text: bool,
        in_flight: usize,
        byte_stream: bool,
    ) -> Self {
        let text = text || !connection.capabilities().binary;
        Self {
            connection,
            message: payload.message(text),
            in_flight,
            byte_stream,
            sent: VecDeque::with_capacity(in_flight.min(1024)),
            received: 0,
            verified: false,
        }
    }

    pub(super) fn protocol(&self) -> &'static str {
        self.connection.protocol()
    }

    pub(super) fn is_text(&self) -> bool {
        self.message.as_text().is_some()
    }

    /// Keeps the messages in flight until `stop` is cancelled, then closes the connection.
    pub(super) async fn run(mut self, tally: SharedTally, stop: CancellationToken) {
        let failed = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            error = poll_fn(|cx| self.poll(cx, &tally)) => Some(error),
        };
        if let Some(error) = failed {
            let mut tally = tally.lock();
            if !self.verified {
                tally.silent -= 1;
            }
            tally.count(&error);
        }
        // The closing handshake is not part of the measurement.
        let _ = self.connection.close(None).await;
    }

    /// Runs one turn: sends a message for each available answer. Ready once the connection is
    /// unusable.
    fn poll(&mut self, cx: &mut Context<'_>, tally: &SharedTally) -> Poll<LoadError> {
        // Locked once a turn, not once a message. Nothing awaits while it is locked.
        let mut tally = tally.lock();
        loop {
            if let Err(error) = self.fill(cx) {
                return Poll::Ready(error);
            }
            // Pieces can be read while the server accepts no more. Otherwise two sides that write
            // before they read would wait for each other.
            let piece = match ready!(self.connection.poll_piece(cx)) {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Poll::Ready(error.into()),
                None => return Poll::Ready(LoadError::Closed(why(self.connection.closed()))),
            };
            let received = if self.byte_stream {
                self.receive_bytes(piece.payload, &mut tally)
            } else {
                self.receive(&piece.payload, piece.end, &mut tally)
            };
            if let Err(error) = received {
                return Poll::Ready(error);
            }
        }
    }

    /// Passes messages to the sink while it accepts them. They are written when the stream is
    /// polled and has no more answers.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), LoadError> {
        while self.sent.len() < self.in_flight {
            match self.connection.poll_ready_unpin(cx) {
                Poll::Ready(Ok(())) => {}
                // The stream reports the error.
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
            self.sent.push_back(Instant::now());
            self.connection.start_send_unpin(self.message.clone())?;
        }
        Ok(())
    }

    /// Splits the bytes of a stream into answers.
    fn receive_bytes(&mut self, mut bytes: Bytes, tally: &mut Tally) -> Result<(), LoadError> {
        while !bytes.is_empty() {
            let missing = self.message.as_bytes().len().saturating_sub(self.received);
            let part = bytes.split_to(missing.min(bytes.len()));
            self.receive(&part, part.len() == missing, tally)?;
        }
        Ok(())
    }

    /// Compares a part of an answer, and records the latency if the answer is complete.
    fn receive(&mut self, part: &[u8], end: bool, tally: &mut Tally) -> Result<(), LoadError> {
        let sent = *self.sent.front().ok_or(LoadError::NoEcho)?;
        let expected = self.message.as_bytes();
        let from = self.received;
        self.received = from.saturating_add(part.len());
        let same = expected.get(from..self.received).ok_or(LoadError::NoEcho)?;
        if !self.verified && part != same {
            return Err(LoadError::NoEcho);
        }
        if !end {
            return Ok(());
        }
        if self.received != expected.len() {
            return Err(LoadError::NoEcho);
        }
        self.sent.pop_front();
        record(&mut tally.latency, sent.elapsed());
        self.received = 0;
        if !self.verified {
            self.verified = true;
            tally.silent -= 1;
        }
        Ok(())
    }
}

/// The payload of every message: the same bytes, as text or as binary.
#[derive(Clone, Debug)]
pub(super) struct Payload(ByteString);

impl Payload {
    /// Creates a payload of this size from the printable ASCII characters, which are valid in text
    /// and in binary.
    pub(super) fn new(size: usize) -> Self {
        let characters = (' '..='~').cycle().take(size);
        Self(characters.collect::<String>().into())
    }

    fn message(&self, text: bool) -> Message {
        if text {
            Message::Text(self.0.clone())
        } else {
            Message::Binary(self.0.clone().into_bytes())
        }
    }
}

/// The reason why a connection can be loaded no longer.
#[derive(Debug, Error)]
enum LoadError {
    #[error("the server does not echo")]
    NoEcho,
    #[error("the server closed the connection{0}")]
    Closed(String),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Formats the code and the reason of a server's close.
fn why(closed: Option<&Closed>) -> String {
    match closed.and_then(|closed| closed.close.as_ref()) {
        Some(close) if close.reason.is_empty() => format!(" with {}", close.code),
        Some(close) => format!(" with {} {}", close.code, close.reason),
        None => String::new(),
    }
}
