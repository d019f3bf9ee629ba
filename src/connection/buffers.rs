//! Buffers that the connections of a thread share, so that an idle one holds none.

use std::cell::RefCell;

use bytes::BytesMut;
use polysock_protocols::WriteBuf;

/// The size of one read, in bytes: enough for a burst of messages from one client. Measured: with
/// 16 KiB messages, four at a time, 64 KiB costs half as much again as 256 KiB; with messages of 1
/// MiB, 256 KiB costs a seventh more than 512 KiB, and 1 MiB is no better than 512 KiB.
pub(crate) const READ: usize = 512 * 1024;

/// The number of buffers of each kind that a thread keeps. One suffices most of the time. More are
/// needed only while applications hold messages.
const KEPT: usize = 8;

/// The capacity of the largest write buffer that is kept, in bytes.
const LARGE: usize = 1024 * 1024;

thread_local! {
    static READ_BUFFERS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static WRITE_BUFFERS: RefCell<Vec<WriteBuf>> = const { RefCell::new(Vec::new()) };
}

/// Returns a buffer to read into.
#[inline]
pub(crate) fn take_read() -> BytesMut {
    READ_BUFFERS
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(READ))
}

/// Returns an empty buffer to the pool.
pub(crate) fn give_read(buffer: BytesMut) {
    READ_BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < KEPT && buffer.capacity() > 0 {
            buffers.push(buffer);
        }
    });
}

/// Returns a buffer to write from.
pub(crate) fn take_write() -> WriteBuf {
    WRITE_BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Returns an empty buffer to the pool. A buffer that grew large is freed.
pub(crate) fn give_write(buffer: WriteBuf) {
    WRITE_BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < KEPT && buffer.capacity() <= LARGE {
            buffers.push(buffer);
        }
    });
}
