//! The end of a connection.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use polysock_protocols::{Close, CloseCode, CloseForm, Role};

use super::{Connection, Negotiated, ShutdownSignal};
use crate::error::ConnectionError;
use crate::telemetry::AccessLog;
use crate::transport::CloseOrder;

impl Connection {
    /// Closes the connection. Waits until the peer has answered or disconnected, or the close
    /// timeout has expired. Messages that still arrive are dropped.
    ///
    /// # Errors
    ///
    /// The connection failed before our close was sent.
    pub async fn close(mut self, close: Option<Close>) -> Result<(), ConnectionError> {
        self.start_close(close);
        poll_fn(|cx| self.poll_ended(cx)).await
    }

    /// Begins to close the connection. Messages may still arrive until the stream ends. The close
    /// overtakes messages that were published to a [`Subscription`](crate::Subscription) and still
    /// wait there; [`Subscription::close`](crate::Subscription::close) sends them first.
    pub fn start_close(&mut self, close: Option<Close>) {
        self.session.close(close);
    }

    /// Disconnects without a close, because the backend has failed.
    #[cfg(feature = "grip")]
    pub(crate) fn cut(&mut self) {
        self.session.abort();
        self.end();
    }

    /// Drops received messages until the connection has ended.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        while let Some(piece) = ready!(self.poll_piece(cx)) {
            piece?;
        }
        Poll::Ready(Ok(()))
    }

    /// Records and counts an error; it is reported when the connection has ended.
    #[cold]
    pub(super) fn fail(&mut self, error: impl Into<ConnectionError>) {
        let error = error.into();
        if let Some(row) = self.row() {
            if let Some(kind) = kind(&error) {
                let counters = &row.tally().counters;
                counters.protocol_error(self.negotiated.protocol, kind);
            }
            self.negotiated.rare.get_mut().log.failed(&error);
        }
        self.negotiated.rare.fail(error);
    }

    pub(super) fn end_of_stream(&mut self) {
        let expected = self.has_sent_close();
        if self.negotiated.tap_changes > 0 {
            self.tell_tap_of_end();
        }
        self.session.receive_eof();
        let unclean = self.session.closed().is_some_and(|closed| !closed.clean);
        if unclean && !expected && !self.negotiated.rare.has_failed() {
            self.fail(ConnectionError::Aborted);
        }
    }

    /// Ends the session after a failure of the transport, over which no close can be sent.
    pub(super) fn abort(&mut self, error: io::Error) {
        let expected = self.has_sent_close();
        self.session.abort();
        self.count_others();
        self.io.abort();
        self.wake_tasks();
        if !expected && !self.negotiated.rare.has_failed() {
            self.fail(match error.kind() {
                // TLS that ended without a close_notify.
                io::ErrorKind::UnexpectedEof => ConnectionError::Aborted,
                _ => error.into(),
            });
        }
    }

    /// True if our close and all bytes before it have been written. The peer may then disconnect in
    /// any way.
    fn has_sent_close(&self) -> bool {
        !self.session.is_open() && self.session.waiting() == 0
    }

    /// Counts the messages that publishers wrote directly, before the socket is released.
    fn count_others(&mut self) {
        let by_others = self.io.traffic().messages_sent;
        self.session.record_sent(by_others);
        self.take_sums_of_others();
    }

    /// Releases the transport with the final bytes, after the session has ended.
    pub(super) fn end(&mut self) {
        let waits = self.negotiated.role == Role::Client
            && self.session.capabilities().close != CloseForm::Eof
            && !self.session.is_cut();
        let order = if waits {
            CloseOrder::PeerFirst
        } else {
            CloseOrder::WeFirst
        };
        self.timer = None;
        self.count_rest();
        self.count_others();
        self.io.end(std::mem::take(self.session.outgoing()), order);
        self.wake_tasks();
    }
}

/// Returns the name, for metrics, of an error that is the peer's fault; `None` for other errors.
fn kind(error: &ConnectionError) -> Option<&'static str> {
    match error {
        ConnectionError::Protocol(error) => Some(error.kind()),
        ConnectionError::Stalled => Some("stalled"),
        ConnectionError::Overload => Some("overload"),
        ConnectionError::TooManyMessages { .. } => Some("too-many-messages"),
        ConnectionError::Aborted => Some("aborted"),
        ConnectionError::Handshake(_)
        | ConnectionError::HandshakeTimeout
        | ConnectionError::Encode(_)
        | ConnectionError::Io(_) => None,
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.io.is_up() {
            let code = if std::thread::panicking() {
                CloseCode::INTERNAL_ERROR
            } else {
                CloseCode::NORMAL
            };
            self.session.close(Some(code.into()));
            // The peer's answer is not awaited: the log records that we ended the connection.
            self.session.receive_eof();
            self.end();
        }
        if self.is_charged() {
            self.charge(0);
        }
        if let Some(row) = self.shutdown.as_ref().and_then(ShutdownSignal::row) {
            row.count(&mut self.session);
        }
        let Some(row) = self.row() else { return };
        let Negotiated {
            rare, is_logged, ..
        } = &*self.negotiated;
        let nothing = AccessLog::default();
        let log = rare.get().map_or(&nothing, |had| &had.log);
        let (traffic, closed) = (self.traffic(), self.session.closed());
        let ending = log.ending(self.negotiated.protocol, closed);
        if *is_logged {
            let close = closed.and_then(|closed| closed.close.as_ref());
            log.closed(row.facts(), &ending, close, traffic);
        }
        if let Some((overflow, count)) = log.has_missed() {
            row.tally().counters.missed(overflow, count);
        }
        row.end(&ending, traffic);
    }
}
