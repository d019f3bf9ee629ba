//! The one connection type: a transport and a session.
//!
//! ```text
//!          ┌──────────────────── Progress::Again ───────────────────┐
//!          ▼                                                        │
//!   Open: take what was read ──nothing──▶ write ──▶ read ──nothing──▶ wait: shutdown, timer, socket
//!     │      └─▶ a message, a piece,        └─ failed: read on, for what the peer said last
//!     │          or short ones, borrowed
//!     │
//!     │ start_close · shutdown · the peer's close · an error
//!     ▼
//!   Closing: the same; messages may still come
//!     │
//!     │ the peer's close or answer · end of stream · transport failed · close timer
//!     ▼
//!   Ended: the transport goes with the final bytes ──▶ Progress::Ended, told once
//! ```
//!
//! Which of the three it is in, the session knows. Whoever receives goes round in `receive`, whoever
//! only sends waits in `send`, and the steps themselves are `Connection::poll_progress`.

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
use self::rare::Rare;
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

/// A connection, whatever protocol it speaks: a stream and a sink of messages.
///
/// The stream ends (`None`) when the connection was closed properly, from either side; pings are
/// answered and the closing handshake is performed while the stream is polled. Polling the stream
/// also writes out what was fed to the sink, once no complete message is left in the buffer: an
/// application that answers with [`feed`](futures_util::SinkExt::feed) sends all its answers to
/// one read in one write.
///
/// Both halves are cancel safe: all state is in the connection. Where it is
/// [split](futures_util::StreamExt::split), a task for each half may wait at the same time.
///
/// A connection that is dropped while it is open is closed with code 1000, in the background, where a runtime
/// is there for it.
#[derive(Debug)]
pub struct Connection {
    io: BufferedIo,
    session: Session,
    negotiated: Box<Negotiated>,
    /// Asks it to close, where it is a gateway's.
    shutdown: Option<ShutdownSignal>,
    timer: Option<ArmedTimer>,
    /// Who waits for it, if somebody has.
    task: Option<Waker>,
}

/// The facts of a connection that its opening handshake settled, and what it rarely looks at.
#[derive(Debug)]
struct Negotiated {
    protocol: &'static str,
    role: Role,
    /// Whether the log says anything of it.
    is_logged: bool,
    /// Whether a shutdown wakes who waits for it.
    is_signalled: bool,
    /// How often a tap of it had begun and ended when it was heeded.
    tap_changes: u8,
    /// Where its memory is counted.
    account: Option<Account>,
    /// How much is counted there, in units of its budget.
    charged: u32,
    /// How long the peer may take nothing of what is sent, in milliseconds; zero for ever.
    send_timeout: u32,
    rare: Rare,
}

/// What a turn of the state machine has come to.
enum Progress {
    /// There may be something to take.
    Again,
    /// The connection has ended. This is told once.
    Ended(Result<(), ConnectionError>),
}

impl Connection {
    /// A connection over any transport, whose opening handshake is complete, or which has none:
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
            rare: Rare::of(options.subprotocol),
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

    /// The same connection, held to this from now on. One of a gateway, or to an upstream, is held to
    /// what its settings say; any other to nothing.
    #[must_use]
    pub fn held_to(mut self, terms: &Terms) -> Self {
        self.hold_to(terms);
        self
    }

    /// As [`held_to`](Self::held_to), in place.
    pub(crate) fn hold_to(&mut self, terms: &Terms) {
        self.negotiated.send_timeout = terms.send_timeout.map_or(0, millis);
        self.negotiated.rare.set_clocks(Clocks::of(terms));
    }

    /// Makes it one of a gateway, whose shutdown closes it.
    pub(crate) fn serve_for(&mut self, shutdown: ShutdownSignal, budget: &Budget) {
        self.negotiated.account = Some(Account::new(budget.clone(), shutdown.clone()));
        self.shutdown = Some(shutdown);
    }

    /// Has others know this of it while it is open, and the log tell its end where it is to.
    pub(crate) fn describe(&mut self, row: Row, is_logged: bool) {
        if let Some(signal) = &self.shutdown {
            signal.describe(row);
        }
        self.negotiated.is_logged = is_logged;
    }

    /// What others may know of it, where it is a gateway's.
    #[inline]
    fn row(&self) -> Option<&Row> {
        self.shutdown.as_ref().and_then(ShutdownSignal::row)
    }

    /// Counts the memory of this connection with that of a client, for whom it is there: in the
    /// [`Budget`] of the gateway that accepted the client, who is closed if both together hold most.
    pub fn charge_to(&mut self, client: &Self) {
        if self.is_charged() {
            self.charge(0);
        }
        let account = client.negotiated.account.as_ref();
        self.negotiated.account = account.map(Account::of_same_owner);
        self.heed_tap();
        self.forget_handshake();
    }

    /// Says in the access log that it is the upstream of this connection that ends it, and what has failed
    /// there, if something has.
    pub fn note_upstream_end(&mut self, error: Option<&ConnectionError>) {
        let error = error.map(|error| error as _);
        self.negotiated.rare.get_mut().log.ended_by_upstream(error);
    }

    /// Keeps something up to its last byte.
    pub(crate) fn keep(&mut self, permit: Permit) {
        self.io.keep(permit);
    }

    /// The name of the protocol it speaks.
    pub fn protocol(&self) -> &'static str {
        self.negotiated.protocol
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&ByteString> {
        self.negotiated.rare.get()?.subprotocol.as_ref()
    }

    /// What can be sent.
    pub fn capabilities(&self) -> Capabilities {
        self.session.capabilities()
    }

    /// How the connection ended, once it has.
    pub fn closed(&self) -> Option<&Closed> {
        self.session.closed()
    }

    /// What has been received and sent so far.
    pub fn traffic(&self) -> Traffic {
        let (received, sent) = self.session.messages();
        let traffic = self.io.traffic();
        Traffic {
            messages_received: received,
            messages_sent: traffic.messages_sent + sent,
            ..traffic
        }
    }

    /// Writes out what waits, reads more, and waits while there is nothing; ready when the caller
    /// is to look at what was read.
    fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        self.close_if_requested();
        if self.session.closed().is_some() {
            self.end();
            let result = self.negotiated.rare.take_failure().map_or(Ok(()), Err);
            return Poll::Ready(Progress::Ended(result));
        }
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) => self.shut_if_closing(cx),
            // What the peer sent before it went away is still there, maybe its close.
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

    /// Reads more; ready when there is something to look at.
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

    /// Waits where nothing was read, which is asked for again.
    fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_read(cx).is_ready() {
            return Poll::Ready(());
        }
        self.poll_wait(cx)
    }

    /// Lets others have their turn.
    #[cold]
    fn pause(&mut self) -> Poll<Progress> {
        if self.take_stock() {
            return Poll::Ready(Progress::Again);
        }
        Poll::Pending
    }

    /// Counts what the connection holds and how fast its peer sends, before others have their turn;
    /// whether the connection fails of it.
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

    /// Lets others know what has been received and sent.
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

    /// Counts what others have sent on its socket with its own.
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

    /// Ends our direction where that is the only way to say that we are done.
    fn shut_if_closing(&mut self, cx: &mut Context<'_>) {
        if !self.session.is_open() && self.session.capabilities().close == CloseForm::Eof {
            self.io.shut(cx);
        }
    }
}

/// Whole milliseconds, one at least.
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
    fn an_idle_one_is_small() {
        let sizes = (size_of::<Connection>(), size_of::<Negotiated>());
        assert!(sizes.0 <= 352 && sizes.1 <= 56, "{sizes:?}");
    }

    #[tokio::test]
    async fn what_a_transport_holds_back_is_flushed() {
        // Less room than there is to flush, which is more than one write takes.
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
