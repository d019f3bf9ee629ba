//! How messages are compressed, where the peer agrees to it.

/// How messages are compressed with DEFLATE: `permessage-deflate` (RFC 7692), and `deflate-frame`
/// (also `x-webkit-deflate-frame`), which WebKit had before it.
///
/// # Memory
///
/// Nothing is allocated before the first message that is compressed. A compressor takes 380 KiB
/// with a window of 15 bits and 250 KiB with one of 9, a decompressor 47 KiB. The connection has
/// them for one message from its thread, which keeps up to four of each kind; only a compressor
/// whose context is taken over is the connection's own. Of a peer that takes its context over, the
/// connection keeps the last bytes that it has sent, up to its window: 32 KiB at most, and a client
/// that has sent 1 KiB costs 1 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// How much work goes into a message: 1 (the fastest) to 9 (the smallest result). What is
    /// beyond is taken as the nearer of them.
    pub level: u8,
    /// Messages of fewer bytes go out as they are, unless they are sent in pieces.
    pub threshold: usize,
    /// What we compress with.
    pub outgoing: Window,
    /// What the peer is asked to compress with. Some keep their context although they are told not
    /// to (Tornado, Mojolicious), so by default nobody is told.
    pub incoming: Window,
}

/// How far back compressed data may refer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The base-2 logarithm of its size in bytes, 9 to 15; what is beyond is taken as the nearer
    /// of them. A peer that asks for less gets less.
    pub max_bits: u8,
    /// Whether a message may refer to those before it (RFC 7692 §7.1.1), where the peer allows it
    /// too. Small messages that are alike become much smaller, and memory is taken for as long as
    /// the connection lasts: [`Compression`] says how much.
    pub context_takeover: bool,
}

impl Default for Compression {
    /// The fastest level from 128 bytes on, and no compressor between messages.
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
    /// The level, where zlib has it.
    pub(crate) fn level(&self) -> u32 {
        self.level.clamp(1, 9).into()
    }
}

impl Window {
    /// The bits, where zlib has them.
    pub(crate) fn bits(&self) -> u8 {
        self.max_bits.clamp(9, 15)
    }
}
