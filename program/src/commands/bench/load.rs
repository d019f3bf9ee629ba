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
    /// Whether bytes come back, in whatever messages, and not the messages.
    byte_stream: bool,
    /// When each message that has no answer yet was handed to the sink, the oldest first.
    sent: VecDeque<Instant>,
    /// Bytes of the answer that is coming in.
    received: usize,
    /// Whether the first answer has been found equal to what was sent.
    verified: bool,
}

impl Load {
    /// A load of binary messages where the protocol has them, unless text is asked for. Of a byte
    /// stream, the payload has at least one byte.
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

    /// Keeps the messages in flight until it is told to stop, then closes the connection.
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
        // The measurement is over; how a server closes is none of it.
        let _ = self.connection.close(None).await;
    }

    /// A turn: every answer that is there is answered with the next message. Ready when the
    /// connection is of no use any more.
    fn poll(&mut self, cx: &mut Context<'_>, tally: &SharedTally) -> Poll<LoadError> {
        // Once a turn, not once a message; nothing waits while it is held.
        let mut tally = tally.lock();
        loop {
            if let Err(error) = self.fill(cx) {
                return Poll::Ready(error);
            }
            // Pieces, for they are read also while the server takes no more: two sides that both
            // write first and read then would wait for each other.
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

    /// Hands messages to the sink as long as it takes them; they are written when the stream is
    /// polled and has no more answers.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), LoadError> {
        while self.sent.len() < self.in_flight {
            match self.connection.poll_ready_unpin(cx) {
                Poll::Ready(Ok(())) => {}
                // What is wrong, the stream says.
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
            self.sent.push_back(Instant::now());
            self.connection.start_send_unpin(self.message.clone())?;
        }
        Ok(())
    }

    /// Cuts the answers out of the bytes of a stream.
    fn receive_bytes(&mut self, mut bytes: Bytes, tally: &mut Tally) -> Result<(), LoadError> {
        while !bytes.is_empty() {
            let missing = self.message.as_bytes().len().saturating_sub(self.received);
            let part = bytes.split_to(missing.min(bytes.len()));
            self.receive(&part, part.len() == missing, tally)?;
        }
        Ok(())
    }

    /// Takes a part of an answer, which it may end.
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

/// The message that is sent over and over: the same bytes, as text or as binary.
#[derive(Clone, Debug)]
pub(super) struct Payload(ByteString);

impl Payload {
    /// A payload of so many bytes: the printable characters of ASCII over and over, which are as
    /// good in text as in binary.
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

/// Why a connection can be loaded no longer.
#[derive(Debug, Error)]
enum LoadError {
    #[error("the server does not echo")]
    NoEcho,
    #[error("the server closed the connection{0}")]
    Closed(String),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// The code and the reason that a server gave.
fn why(closed: Option<&Closed>) -> String {
    match closed.and_then(|closed| closed.close.as_ref()) {
        Some(close) if close.reason.is_empty() => format!(" with {}", close.code),
        Some(close) => format!(" with {} {}", close.code, close.reason),
        None => String::new(),
    }
}
