//! Which pong answers a ping of ours.

use super::Session;

/// What is known of the answer to our last ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pong {
    NotAwaited,
    Awaited,
    /// It has come, and nobody was told.
    Come,
}

impl Pong {
    /// A pong with this payload has come. RFC 6455 §5.5.3: an answer has that of its ping, and ours have none;
    /// unsolicited pongs are a keep-alive of IE 10 and .NET.
    pub(super) fn receive(&mut self, payload: &[u8]) {
        if payload.is_empty() && *self == Self::Awaited {
            *self = Self::Come;
        }
    }
}

impl Session {
    /// Whether the peer has answered a ping since this was called before. Each ping has one answer, which
    /// comes while the [`timer`](Self::timer) runs that was started with the ping: one that is later is told
    /// of no more.
    #[inline]
    pub fn take_pong(&mut self) -> bool {
        let has_come = self.pong == Pong::Come;
        if has_come {
            self.pong = Pong::NotAwaited;
        }
        has_come
    }
}
