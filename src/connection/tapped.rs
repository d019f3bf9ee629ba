//! A connection that somebody taps.

use polysock_protocols::Closed;

use super::Connection;
use super::budget::Account;
use super::tap::{Look, TapEnd, TapWhat};
use crate::telemetry::HandshakeBytes;

impl Connection {
    /// Keeps its opening handshake for whoever taps it.
    pub(crate) fn keep_handshake(&mut self, handshake: Option<Box<HandshakeBytes>>) {
        if let Some(handshake) = handshake {
            self.negotiated.rare.get_mut().log.keep_handshake(handshake);
        }
    }

    /// Gives up its opening handshake: nobody else asks for it.
    pub(crate) fn forget_handshake(&mut self) {
        self.negotiated.rare.take_handshake();
    }

    /// Begins to be looked at, or to be so no more, where that was asked for since it was heeded before.
    #[inline]
    pub(crate) fn heed_tap(&mut self) {
        let account = self.negotiated.account.as_ref();
        let changes = account.map(|account| account.owner().signal().tap_changes());
        if changes.is_some_and(|changes| changes != self.negotiated.tap_changes) {
            self.change_tap();
        }
    }

    #[cold]
    fn change_tap(&mut self) {
        let owner = self.negotiated.account.as_ref().map(Account::owner);
        let Some(owner) = owner.cloned() else { return };
        self.negotiated.tap_changes = owner.signal().tap_changes();
        let (Some(tapping), Some(row)) = (owner.signal().tapping(), owner.row()) else {
            return self.session.unwatch();
        };
        let connection = row.facts().id;
        let end = self.end_of_tap();
        let handshake = self.negotiated.rare.take_handshake();
        let begun = TapWhat::Begun {
            protocol: self.negotiated.protocol,
            handshake: handshake.map(Into::into),
        };
        tapping.tell(connection, end, begun);
        self.session.watch(Box::new(Look {
            tapping,
            connection,
            end,
        }));
    }

    /// Which end it is of those that a gateway joins.
    fn end_of_tap(&self) -> TapEnd {
        match self.shutdown {
            Some(_) => TapEnd::Client,
            None => TapEnd::Upstream,
        }
    }

    /// Tells whoever taps it that its peer has ended its direction.
    #[cold]
    pub(super) fn tell_tap_of_end(&self) {
        let owner = self.negotiated.account.as_ref().map(Account::owner);
        let tapped =
            owner.and_then(|owner| Some((owner.signal().tapping()?, owner.row()?.facts().id)));
        let is_open = self
            .session
            .closed()
            .is_none_or(|closed: &Closed| !closed.clean);
        if let Some((tapping, connection)) = tapped
            && is_open
        {
            tapping.tell(connection, self.end_of_tap(), TapWhat::HungUp);
        }
    }
}
