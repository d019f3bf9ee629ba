//! Buffers that the connections of a thread share, so that an idle one holds none.

use std::cell::RefCell;

use bytes::BytesMut;
use polysock_protocols::WriteBuf;

/// How much one read takes: enough for a burst of messages from one client. Measured: with 16 KiB
/// messages, four at a time, 64 KiB costs half as much again as 256 KiB; with messages of 1 MiB,
/// 256 KiB costs a seventh more than 512 KiB, which 1 MiB does not better.
pub(crate) const READ: usize = 512 * 1024;

/// How many buffers of each kind a thread keeps. One serves most turns; more are wanted only
/// while applications hold messages.
const KEPT: usize = 8;

/// The largest buffer to write from that is kept.
const LARGE: usize = 1024 * 1024;

thread_local! {
    static READ_BUFFERS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static WRITE_BUFFERS: RefCell<Vec<WriteBuf>> = const { RefCell::new(Vec::new()) };
}

/// A buffer to read into.
#[inline]
pub(crate) fn take_read() -> BytesMut {
    READ_BUFFERS
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(READ))
}

/// Gives back an empty buffer.
pub(crate) fn give_read(buffer: BytesMut) {
    READ_BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < KEPT && buffer.capacity() > 0 {
            buffers.push(buffer);
        }
    });
}

/// A buffer to write from.
pub(crate) fn take_write() -> WriteBuf {
    WRITE_BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives back an empty buffer. One that grew large is freed.
pub(crate) fn give_write(buffer: WriteBuf) {
    WRITE_BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < KEPT && buffer.capacity() <= LARGE {
            buffers.push(buffer);
        }
    });
}
