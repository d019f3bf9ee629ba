//! Tapping, from the side of the connection.

use polysock_protocols::Closed;

use super::Connection;
use super::budget::Account;
use super::tap::{TapEnd, TapWatcher, TapWhat};
use crate::telemetry::HandshakeBytes;

impl Connection {
    /// Keeps the opening handshake for a tap.
    pub(crate) fn keep_handshake(&mut self, handshake: Option<Box<HandshakeBytes>>) {
        if let Some(handshake) = handshake {
            self.negotiated.rare.get_mut().log.keep_handshake(handshake);
        }
    }

    /// Frees the opening handshake. Only a tap uses it.
    pub(crate) fn forget_handshake(&mut self) {
        self.negotiated.rare.take_handshake();
    }

    /// Starts or stops watching for a tap, if the tap of this connection changed since the last
    /// call.
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
        self.session.watch(Box::new(TapWatcher {
            tapping,
            connection,
            end,
        }));
    }

    /// Returns the end of the relay that this connection is.
    fn end_of_tap(&self) -> TapEnd {
        match self.shutdown {
            Some(_) => TapEnd::Client,
            None => TapEnd::Upstream,
        }
    }

    /// Notifies the tap that the peer has half-closed the connection.
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
