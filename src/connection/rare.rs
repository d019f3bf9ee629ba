//! State that few connections have.

use std::sync::Arc;

use bytestring::ByteString;

use super::clocks::Clocks;
use super::tasks::Tasks;
use crate::error::ConnectionError;
use crate::telemetry::{AccessLog, HandshakeBytes};

/// State that few connections have. A connection without any allocates nothing for it.
#[derive(Debug, Default)]
pub(super) struct RareState(Option<Box<RareFields>>);

/// The rare state of a connection that has some.
#[derive(Debug, Default)]
pub(super) struct RareFields {
    /// The agreed subprotocol.
    pub(super) subprotocol: Option<ByteString>,
    /// What the log needs at the connection's end, in addition to the facts of the handshake.
    pub(super) log: AccessLog,
    /// The error that ends the connection. It is reported last, once the close frame that names it
    /// is written.
    failure: Option<ConnectionError>,
    /// The clocks of the connection, if any run.
    clocks: Option<Box<Clocks>>,
    /// The tasks that wait for the connection, once there have been two.
    pub(super) tasks: Option<Arc<Tasks>>,
}

impl RareState {
    pub(super) fn of(subprotocol: Option<ByteString>) -> Self {
        let had = subprotocol.map(|name| RareFields {
            subprotocol: Some(name),
            ..RareFields::default()
        });
        Self(had.map(Box::new))
    }

    pub(super) fn get(&self) -> Option<&RareFields> {
        self.0.as_deref()
    }

    pub(super) fn get_mut(&mut self) -> &mut RareFields {
        self.0.get_or_insert_default()
    }

    /// Takes the opening handshake, if it is still kept.
    pub(super) fn take_handshake(&mut self) -> Option<Box<HandshakeBytes>> {
        self.0.as_mut()?.log.take_handshake()
    }

    /// Records the error that ends the connection.
    pub(super) fn fail(&mut self, error: ConnectionError) {
        self.get_mut().failure = Some(error);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.get().is_some_and(|had| had.failure.is_some())
    }

    pub(super) fn take_failure(&mut self) -> Option<ConnectionError> {
        self.0.as_mut()?.failure.take()
    }

    pub(super) fn tasks(&self) -> Option<&Arc<Tasks>> {
        self.get()?.tasks.as_ref()
    }

    #[inline]
    pub(super) fn clocks(&self) -> Option<&Clocks> {
        self.get()?.clocks.as_deref()
    }

    pub(super) fn clocks_mut(&mut self) -> Option<&mut Clocks> {
        self.0.as_mut()?.clocks.as_deref_mut()
    }

    /// Returns the clocks, which are created if there are none.
    pub(super) fn clocks_or_new(&mut self) -> &mut Clocks {
        self.get_mut().clocks.get_or_insert_default()
    }

    pub(super) fn set_clocks(&mut self, clocks: Option<Box<Clocks>>) {
        if clocks.is_some() || self.clocks().is_some() {
            self.get_mut().clocks = clocks;
        }
    }
}
