//! A peer of a socket, from its greeting to its end.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::zmtp::{self, Frames, Kind, Message, Received, ZmtpError};

/// How long a peer may take to say what it is, and to take what we say.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is read at once.
const READ: usize = 16 * 1024;

/// A connection of a peer that sends.
pub(super) struct Connection<S> {
    stream: S,
    incoming: BytesMut,
    frames: Frames,
}

/// Why a peer is let go.
#[derive(Debug, Error)]
pub(super) enum PeerError {
    /// It, or the system, has ended it.
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Zmtp(#[from] ZmtpError),
    #[error("it has not said within {} s what it is", PATIENCE.as_secs())]
    Silent,
    #[error("it does not take our answers")]
    Stuck,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Greets a peer, and is ready for its messages.
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
        // A peer of libzmq sends ten bytes, and the rest once it has seen ours.
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

    /// The next message of the peer.
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
