//! The settings of compression.

/// The settings of DEFLATE compression, if the peer agrees to it: `permessage-deflate` (RFC 7692),
/// and the older `deflate-frame` of WebKit (also `x-webkit-deflate-frame`).
///
/// # Memory
///
/// Nothing is allocated before the first compressed message. A compressor takes 380 KiB with a
/// window of 15 bits and 250 KiB with one of 9, a decompressor 47 KiB. A connection borrows them
/// from its thread for one message; the thread keeps up to four of each kind. Only with context
/// takeover does the connection own its compressor. If the peer uses context takeover, the
/// connection keeps the last bytes that the peer has sent, up to the size of the window: 32 KiB at
/// most, and 1 KiB for a client that has sent 1 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The compression level: 1 (fastest) to 9 (smallest result). Other values are clamped.
    pub level: u8,
    /// The size in bytes from which messages are compressed. With `permessage-deflate`, messages
    /// sent in pieces always are; with `deflate-frame`, it applies to each piece.
    pub threshold: usize,
    /// The window that we compress with.
    pub outgoing: Window,
    /// The window that the peer is asked to compress with. The default asks for no limit: some
    /// peers keep their context even if told not to (Tornado, Mojolicious).
    pub incoming: Window,
}

/// The window of compressed data: how far back it may refer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The base-2 logarithm of the size in bytes, 9 to 15; other values are clamped. The peer may
    /// reduce it.
    pub max_bits: u8,
    /// Whether a message may refer to the messages before it (RFC 7692 §7.1.1), if the peer allows
    /// it too. Small messages that resemble each other become much smaller, but memory is held for
    /// the whole connection: see [`Compression`].
    pub context_takeover: bool,
}

impl Default for Compression {
    /// The fastest level from 128 bytes on, without context takeover of our own.
    fn default() -> Self {
        Self {
            level: 1,
            threshold: 128,
            outgoing: Window::default(),
            incoming: Window {
                context_takeover: true,
                ..Window::default()
            },
        }
    }
}

impl Default for Window {
    fn default() -> Self {
        Self {
            max_bits: 15,
            context_takeover: false,
        }
    }
}

impl Compression {
    /// Returns the level, clamped to the range of zlib.
    pub(crate) fn level(&self) -> u32 {
        self.level.clamp(1, 9).into()
    }
}

impl Window {
    /// Returns the window bits, clamped to the range of zlib.
    pub(crate) fn bits(&self) -> u8 {
        self.max_bits.clamp(9, 15)
    }
}
