//! How a connection ends.

use std::io;

use polysock_protocols::{CloseCode, CloseForm, Role};

use super::{Connection, Negotiated};
use crate::error::ConnectionError;
use crate::transport::HangUp;

impl Connection {
    /// Keeps what went wrong until it can be told.
    #[cold]
    pub(super) fn fail(&mut self, error: impl Into<ConnectionError>) {
        self.failure = Some(Box::new(error.into()));
    }

    pub(super) fn end_of_stream(&mut self) {
        let expected = self.has_said_goodbye();
        self.session.receive_eof();
        let unclean = self.session.closed().is_some_and(|closed| !closed.clean);
        if unclean && !expected && self.failure.is_none() {
            self.fail(ConnectionError::Aborted);
        }
    }

    /// The transport has failed: there is nobody to say anything to.
    pub(super) fn abort(&mut self, error: io::Error) {
        let expected = self.has_said_goodbye();
        self.session.abort();
        self.link.abort();
        if !expected && self.failure.is_none() {
            self.fail(error);
        }
    }

    /// Whether our close is out with all before it: a peer that has had it may go as it likes.
    fn has_said_goodbye(&self) -> bool {
        !self.session.is_open() && self.session.waiting() == 0
    }

    /// The session has ended: lets the link go with the last words.
    pub(super) fn end(&mut self) {
        let waits = self.negotiated.role == Role::Client
            && self.session.capabilities().close != CloseForm::Eof;
        let hang_up = if waits { HangUp::Second } else { HangUp::First };
        self.timer = None;
        self.link
            .end(std::mem::take(self.session.outgoing()), hang_up);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.link.is_up() {
            let code = if std::thread::panicking() {
                CloseCode::INTERNAL_ERROR
            } else {
                CloseCode::NORMAL
            };
            self.session.close(Some(code.into()));
            // The answer is not waited for: what the log says is that we ended it.
            self.session.receive_eof();
            self.end();
        }
        let Negotiated { protocol, log, .. } = &*self.negotiated;
        if let Some(log) = log {
            log.closed(protocol, self.session.closed(), self.link.traffic());
        }
    }
}
