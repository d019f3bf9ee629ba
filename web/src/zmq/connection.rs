//! One connection of a ZeroMQ peer.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::zmtp::{self, Frames, Kind, Message, Received, ZmtpError};

/// The time limit for a peer's opening, and for writing an answer to it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The size of one read, in bytes.
const READ: usize = 16 * 1024;

/// The connection of a peer that sends messages.
pub(super) struct Connection<S> {
    stream: S,
    incoming: BytesMut,
    frames: Frames,
}

/// The reason for which a connection to a peer ends.
#[derive(Debug, Error)]
pub(super) enum PeerError {
    /// The peer has disconnected, or the system has reported an error.
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Zmtp(#[from] ZmtpError),
    #[error("the peer did not complete the handshake within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the peer does not read our answers")]
    Stuck,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Exchanges the opening with a peer, so that its messages can be received.
    pub(super) async fn open(stream: S, kind: Kind) -> Result<Self, PeerError> {
        let mut connection = Self {
            stream,
            incoming: BytesMut::new(),
            frames: Frames::default(),
        };
        let opening = timeout(PATIENCE, connection.greet(kind)).await;
        opening.map_err(|_| PeerError::Silent)??;
        Ok(connection)
    }

    async fn greet(&mut self, kind: Kind) -> Result<(), PeerError> {
        // A peer with libzmq sends ten bytes, and the rest only once it has received our greeting.
        self.stream.write_all(&zmtp::greeting()).await?;
        while zmtp::take_greeting(&mut self.incoming)?.is_none() {
            self.read().await?;
        }
        self.stream.write_all(&zmtp::ready(kind)).await?;
        while zmtp::take_ready(&mut self.incoming, kind)?.is_none() {
            self.read().await?;
        }
        if let Kind::Sub = kind {
            self.stream.write_all(zmtp::SUBSCRIPTION).await?;
        }
        Ok(())
    }

    /// Receives the next message of the peer.
    pub(super) async fn next(&mut self) -> Result<Message, PeerError> {
        loop {
            match self.frames.take(&mut self.incoming)? {
                Some(Received::Message(message)) => return Ok(message),
                Some(Received::Ping(context)) => {
                    let pong = zmtp::pong(&context);
                    let written = timeout(PATIENCE, self.stream.write_all(&pong)).await;
                    written.map_err(|_| PeerError::Stuck)??;
                }
                None => self.read().await?,
            }
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        self.incoming.reserve(READ);
        match self.stream.read_buf(&mut self.incoming).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
