//! The connection type for every protocol: a transport and a session.
//!
//! ```text
//!          ┌──────────────────── Progress::Again ───────────────────┐
//!          ▼                                                        │
//!   Open: decode the buffer ───nothing──▶ write ──▶ read ──nothing──▶ wait: shutdown, timer, socket
//!     │      └─▶ a message, a piece,        └─ failed: read on, for the last bytes of the peer
//!     │          or borrowed messages
//!     │
//!     │ start_close · shutdown · the peer's close · an error
//!     ▼
//!   Closing: the same; messages may still arrive
//!     │
//!     │ the peer's close or answer · end of stream · transport failed · close timer
//!     ▼
//!   Ended: the transport is released with the final bytes ──▶ Progress::Ended, returned once
//! ```
//!
//! The session knows which of the three states it is in. Tasks that receive loop in `receive`,
//! tasks that only send wait in `send`. `Connection::poll_progress` performs the steps themselves.

mod budget;
mod buffered_io;
mod buffers;
mod clocks;
mod end;
mod forward;
mod gateways;
mod message_rate;
mod options;
mod pace;
mod rare;
mod receive;
mod registry;
mod row;
mod send;
mod shutdown;
mod signal;
mod tap;
mod tapped;
mod taps;
mod tasks;
mod terms;
mod timer;
mod wait;

use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytestring::ByteString;
use polysock_protocols::{Capabilities, CloseForm, Closed, Codec, Role, Session};

pub use self::budget::Budget;
use self::budget::{Account, units};
use self::buffered_io::BufferedIo;
use self::clocks::Clocks;
pub use self::forward::Forwarded;
pub(crate) use self::message_rate::{MessageRate, SECOND, spent};
pub use self::options::ConnectionOptions;
use self::rare::RareState;
pub use self::receive::Answers;
pub use self::registry::{OpenConnection, Registry};
pub(crate) use self::row::Row;
pub(crate) use self::shutdown::Shutdown;
pub use self::shutdown::ShutdownSignal;
pub use self::tap::{TapEnd, TapEvent, TapFrame, TapKind, TapSettings, TapWhat};
pub use self::taps::Tap;
pub use self::terms::Terms;
use self::timer::ArmedTimer;
use crate::error::ConnectionError;
use crate::telemetry::Traffic;
use crate::transport::{Io, Permit, Transport};

/// A connection of any protocol: a stream and a sink of messages.
///
/// The stream ends (`None`) when either side closed the connection properly. Polling the stream
/// also answers pings, performs the closing handshake, and writes what was fed to the sink, once no
/// complete message is left in the buffer. An application that answers with
/// [`feed`](futures_util::SinkExt::feed) therefore sends all its answers to one read in one write.
///
/// Both halves are cancel safe: all state is in the connection. If the connection is
/// [split](futures_util::StreamExt::split), a task for each half may wait at the same time.
///
/// A connection that is dropped while it is open is closed with code 1000. The close is sent in the
/// background if there is a tokio runtime.
#[derive(Debug)]
pub struct Connection {
    io: BufferedIo,
    session: Session,
    negotiated: Box<Negotiated>,
    /// The signal that asks the connection to close; `None` if it is not a gateway's.
    shutdown: Option<ShutdownSignal>,
    timer: Option<ArmedTimer>,
    /// The task that waited last; `None` before the first wait.
    task: Option<Waker>,
}

/// The facts that the opening handshake settled, and state that is rarely used.
#[derive(Debug)]
struct Negotiated {
    protocol: &'static str,
    role: Role,
    /// True if the end of the connection is logged.
    is_logged: bool,
    /// True if the task that waits is registered with the shutdown signal.
    is_signalled: bool,
    /// The signal's counter of tap changes when the connection last checked it.
    tap_changes: u8,
    /// The account to which memory is charged; `None` if there is no budget.
    account: Option<Account>,
    /// The memory charged to the account, in units of the budget.
    charged: u32,
    /// The time for which the peer may accept no sent bytes, in milliseconds; zero for no limit.
    send_timeout: u32,
    rare: RareState,
}

/// The result of a turn of the state machine.
enum Progress {
    /// Received bytes may be ready to decode.
    Again,
    /// The connection has ended. This is reported once.
    Ended(Result<(), ConnectionError>),
}

impl Connection {
    /// Creates a connection over a transport whose opening handshake is complete, or that has none:
    ///
    /// ```
    /// use futures_util::{SinkExt, StreamExt};
    /// use polysock::protocols::{RawCodec, Role};
    /// use polysock::{Connection, ConnectionOptions, Message};
    ///
    /// # async fn example() -> Result<(), polysock::BoxError> {
    /// let (ours, theirs) = tokio::io::duplex(1024);
    /// let options = ConnectionOptions::new("raw", Role::Client);
    /// let mut client = Connection::over(ours, RawCodec::boxed(), options);
    /// let options = ConnectionOptions::new("raw", Role::Server);
    /// let mut server = Connection::over(theirs, RawCodec::boxed(), options);
    /// client.send(Message::binary("hello")).await?;
    /// let message = server.next().await.transpose()?;
    /// assert_eq!(message.expect("a message").as_bytes(), b"hello");
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread()
    /// #     .enable_all()
    /// #     .build()
    /// #     .expect("a runtime")
    /// #     .block_on(example())
    /// #     .expect("it works");
    /// ```
    pub fn over(
        transport: impl Transport,
        codec: Box<dyn Codec>,
        options: ConnectionOptions,
    ) -> Self {
        Self::new(Io::new(transport), codec, options)
    }

    pub(crate) fn new(transport: Io, codec: Box<dyn Codec>, options: ConnectionOptions) -> Self {
        let negotiated = Negotiated {
            protocol: options.protocol,
            role: options.role,
            is_logged: false,
            is_signalled: false,
            tap_changes: 0,
            account: None,
            charged: 0,
            send_timeout: 0,
            rare: RareState::of(options.subprotocol),
        };
        Self {
            io: BufferedIo::new(transport, options.incoming),
            session: Session::new(codec, options.session),
            negotiated: Box::new(negotiated),
            shutdown: None,
            timer: None,
            task: None,
        }
    }

    /// Applies these terms to the connection from now on. Gateways and upstreams apply the terms of
    /// their settings. Any other connection has none until this is called.
    #[must_use]
    pub fn held_to(mut self, terms: &Terms) -> Self {
        self.hold_to(terms);
        self
    }

    /// The same as [`held_to`](Self::held_to), in place.
    pub(crate) fn hold_to(&mut self, terms: &Terms) {
        self.negotiated.send_timeout = terms.send_timeout.map_or(0, millis);
        self.negotiated.rare.set_clocks(Clocks::of(terms));
    }

    /// Attaches the connection to the shutdown signal and the memory budget of a gateway.
    pub(crate) fn serve_for(&mut self, shutdown: ShutdownSignal, budget: &Budget) {
        self.negotiated.account = Some(Account::new(budget.clone(), shutdown.clone()));
        self.shutdown = Some(shutdown);
    }

    /// Publishes the row while the connection is open. `is_logged` says whether its end is logged.
    pub(crate) fn describe(&mut self, row: Row, is_logged: bool) {
        if let Some(signal) = &self.shutdown {
            signal.describe(row);
        }
        self.negotiated.is_logged = is_logged;
    }

    /// Returns the published row; `None` if the connection is not a gateway's.
    #[inline]
    fn row(&self) -> Option<&Row> {
        self.shutdown.as_ref().and_then(ShutdownSignal::row)
    }

    /// Charges the memory of this connection to a client that it serves, in the [`Budget`] of the
    /// gateway that accepted the client. The client is closed if the two together hold most.
    pub fn charge_to(&mut self, client: &Self) {
        if self.is_charged() {
            self.charge(0);
        }
        let account = client.negotiated.account.as_ref();
        self.negotiated.account = account.map(Account::of_same_owner);
        self.heed_tap();
        self.forget_handshake();
    }

    /// Records for the access log that the upstream ended this connection, and the upstream's
    /// error, if there is one.
    pub fn note_upstream_end(&mut self, error: Option<&ConnectionError>) {
        let error = error.map(|error| error as _);
        self.negotiated.rare.get_mut().log.ended_by_upstream(error);
    }

    /// Keeps a permit until the last byte is written.
    pub(crate) fn keep(&mut self, permit: Permit) {
        self.io.keep(permit);
    }

    /// Returns the name of the protocol.
    pub fn protocol(&self) -> &'static str {
        self.negotiated.protocol
    }

    /// Returns the agreed subprotocol.
    pub fn subprotocol(&self) -> Option<&ByteString> {
        self.negotiated.rare.get()?.subprotocol.as_ref()
    }

    /// Returns the kinds of messages that can be sent.
    pub fn capabilities(&self) -> Capabilities {
        self.session.capabilities()
    }

    /// Returns the outcome of the connection; `None` while it has not ended.
    pub fn closed(&self) -> Option<&Closed> {
        self.session.closed()
    }

    /// Returns the counts of bytes and messages received and sent so far.
    pub fn traffic(&self) -> Traffic {
        let (received, sent) = self.session.messages();
        let traffic = self.io.traffic();
        Traffic {
            messages_received: received,
            messages_sent: traffic.messages_sent + sent,
            ..traffic
        }
    }

    /// Writes buffered output, then reads. Waits while there is nothing to read. Ready when the
    /// caller must look at what was read, or the connection has ended.
    fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        self.close_if_requested();
        if self.session.closed().is_some() {
            self.end();
            let result = self.negotiated.rare.take_failure().map_or(Ok(()), Err);
            return Poll::Ready(Progress::Ended(result));
        }
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) => self.shut_if_closing(cx),
            // The peer's last bytes, perhaps its close, can still be read after a failed write.
            Poll::Ready(Err(error)) => {
                if !matches!(self.io.poll_read(cx), Poll::Ready(Ok(1..))) {
                    self.abort(error);
                }
                return Poll::Ready(Progress::Again);
            }
            Poll::Pending => {}
        }
        if self.io.poll_yield(cx).is_pending() {
            return self.pause();
        }
        if self.poll_read(cx).is_pending() {
            ready!(if self.is_task(cx) {
                self.poll_wait(cx)
            } else {
                self.poll_as(cx, Self::poll_again)
            });
        }
        Poll::Ready(Progress::Again)
    }

    /// Reads once; ready when there is something to look at.
    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let read = if self.negotiated.rare.clocks().is_none() {
            self.io.poll_read(cx)
        } else if self.is_too_fast_together() {
            return Poll::Ready(());
        } else {
            self.poll_read_paced(cx)
        };
        match ready!(read) {
            Ok(0) => self.end_of_stream(),
            Ok(_) => {}
            Err(error) => self.abort(error),
        }
        Poll::Ready(())
    }

    /// Reads again, which registers all tasks that wait, and waits if there is still nothing.
    fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_read(cx).is_ready() {
            return Poll::Ready(());
        }
        self.poll_wait(cx)
    }

    /// Yields to the other connections of the thread.
    #[cold]
    fn pause(&mut self) -> Poll<Progress> {
        if self.take_stock() {
            return Poll::Ready(Progress::Again);
        }
        Poll::Pending
    }

    /// Charges the held memory, publishes the traffic, and checks the peer's rate, before the
    /// connection waits. Returns true if the connection fails because the rate is too high.
    #[inline]
    fn take_stock(&mut self) -> bool {
        let held = units(self.session.held());
        if held != self.negotiated.charged {
            self.charge(held);
        }
        self.publish();
        self.heed_tap();
        self.session.is_fast() && self.is_too_fast()
    }

    /// Publishes the counts of bytes and messages received and sent.
    #[inline]
    fn publish(&mut self) {
        if self.row().is_none() {
            return;
        }
        self.time_pong();
        self.take_sums_of_others();
        let traffic = self.traffic();
        if let Some(row) = self.shutdown.as_ref().and_then(ShutdownSignal::row) {
            row.publish(traffic);
            row.count(&mut self.session);
        }
    }

    /// Adds the texts and payload that publishers wrote directly to the session's counts.
    #[inline]
    fn take_sums_of_others(&mut self) {
        if let Some((texts, payload)) = self.io.take_sums_of_others() {
            self.session.record_sums_sent(texts, payload);
        }
    }

    fn is_charged(&self) -> bool {
        self.negotiated.charged > 0
    }

    #[cold]
    fn charge(&mut self, held: u32) {
        let before = std::mem::replace(&mut self.negotiated.charged, held);
        if let Some(account) = &self.negotiated.account {
            account.change(before, held);
        }
    }

    /// Shuts down our direction if that is the protocol's only form of a close.
    fn shut_if_closing(&mut self, cx: &mut Context<'_>) {
        if !self.session.is_open() && self.session.capabilities().close == CloseForm::Eof {
            self.io.shut(cx);
        }
    }
}

/// Converts to whole milliseconds, at least one.
fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis().max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::SinkExt;
    use polysock_protocols::{Message, RawCodec};
    use tokio::io::{AsyncReadExt, BufStream, duplex};
    use tokio::time::timeout;

    use super::*;

    fn raw(transport: impl Transport) -> Connection {
        let options = ConnectionOptions::new("raw", Role::Client);
        Connection::over(transport, RawCodec::boxed(), options)
    }

    #[test]
    fn an_idle_connection_is_small() {
        let sizes = (size_of::<Connection>(), size_of::<Negotiated>());
        assert!(sizes.0 <= 352 && sizes.1 <= 56, "{sizes:?}");
    }

    #[tokio::test]
    async fn a_buffering_transport_is_flushed() {
        // The room is less than the flush needs, which takes more than one write.
        for room in [1, 64] {
            let (ours, mut theirs) = duplex(room);
            let mut connection = raw(BufStream::new(ours));
            let sent = tokio::spawn(async move {
                connection.send(Message::binary("hello")).await.unwrap();
                connection
            });
            let mut received = [0; 5];
            let read = theirs.read_exact(&mut received);
            timeout(Duration::from_secs(10), read)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(&received, b"hello");
            sent.await.unwrap();
        }
    }
}
