//! Recognition of the pong that answers our ping.

use super::Session;

/// The state of the answer to our last ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pong {
    NotAwaited,
    Awaited,
    /// The pong has arrived, but [`Session::take_pong`] has not yet been called.
    Come,
}

impl Pong {
    /// Records a pong with this payload. RFC 6455 §5.5.3: a pong repeats the payload of its ping,
    /// and our pings are empty. IE 10 and .NET send unsolicited pongs as a keep-alive.
    pub(super) fn receive(&mut self, payload: &[u8]) {
        if payload.is_empty() && *self == Self::Awaited {
            *self = Self::Come;
        }
    }
}

impl Session {
    /// Returns true if the peer has answered a ping since the last call. Each ping has at most one
    /// answer: a pong that arrives after the [`timer`](Self::timer) started with the ping has
    /// expired does not count.
    #[inline]
    pub fn take_pong(&mut self) -> bool {
        let has_come = self.pong == Pong::Come;
        if has_come {
            self.pong = Pong::NotAwaited;
        }
        has_come
    }
}
