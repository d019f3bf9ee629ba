//! The content of a file as a response body, read in pieces.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::BoxError;
use crate::http::Body;

/// The size of one read, in bytes: the memory that one request takes.
const PIECE: u64 = 64 * 1024;

/// Reads a file from `start` up to but not including `end`; blocks while it reads the first piece.
pub(super) fn read(file: File, start: u64, end: u64) -> Body {
    let first = piece(&file, start, end);
    match first {
        Ok(bytes) if start + bytes.len() as u64 == end => Body::from(bytes),
        first => Body::new(Pieces {
            file: Arc::new(file),
            next: start,
            end,
            state: State::Read(Some(first)),
        }),
    }
}

/// The rest of a file, as a stream of pieces.
struct Pieces {
    file: Arc<File>,
    /// The offset of the next piece.
    next: u64,
    end: u64,
    state: State,
}

enum State {
    /// The next piece, or `None` if it is still to be requested.
    Read(Option<io::Result<Bytes>>),
    /// A thread that reads the next piece.
    Reading(JoinHandle<io::Result<Bytes>>),
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if this.next == this.end {
            return Poll::Ready(None);
        }
        loop {
            let read = match &mut this.state {
                State::Read(read) => read.take(),
                State::Reading(reading) => {
                    let read = ready!(Pin::new(reading).poll(cx));
                    this.state = State::Read(None);
                    Some(read.unwrap_or_else(|gone| Err(gone.into())))
                }
            };
            let Some(read) = read else {
                let (file, next, end) = (Arc::clone(&this.file), this.next, this.end);
                this.state = State::Reading(spawn_blocking(move || piece(&file, next, end)));
                continue;
            };
            let read = read.inspect(|bytes| this.next += bytes.len() as u64);
            return Poll::Ready(Some(read.map(Frame::data).map_err(Into::into)));
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.next)
    }
}

/// Reads the next bytes, at most [`PIECE`]; blocks.
///
/// # Errors
///
/// The file cannot be read, or is shorter than it was.
fn piece(file: &File, next: u64, end: u64) -> io::Result<Bytes> {
    let room = usize::try_from(PIECE.min(end - next)).unwrap_or_default();
    let mut bytes = vec![0; room];
    let mut filled = 0;
    while let Some(rest @ [_, ..]) = bytes.get_mut(filled..) {
        match file.read_at(rest, next + filled as u64) {
            Ok(0) => {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the file was truncated",
                ));
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes.into())
}
