//! Publication of messages from any thread to many connections.
//!
//! ```text
//!                          ┌─ log ────────────────┐ ◀── Subscription ──▶ Connection
//!   publish, any thread ──▶│ a │ b │ c │ d │ e │ f │ ◀── Subscription ──▶ Connection
//!                          └──────────────────────┘ ◀── Subscription ──▶ Connection
//! ```
//!
//! A message is stored in the log once, until the last subscription has taken it. Publishing
//! appends the message and wakes the sleeping subscribers. Each subscriber then takes all messages
//! queued for it and writes them together. A TCP connection that only waits shares its socket
//! meanwhile: one task writes short messages to all such connections of its thread.

mod flush_queue;
mod flusher;
mod mailbox;
mod queue;
mod subscriber;
mod topic;

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use polysock_protocols::{Close, CloseCode, Message, SharedMessage};
use tokio::runtime::{Handle, RuntimeFlavor};

use self::flusher::Flusher;
pub(crate) use self::mailbox::Mailbox;
pub use self::queue::{Overflow, Queue};
use self::subscriber::Ending;
use self::topic::{Left, ROOM, Seen, Topic, lock};
use crate::connection::Connection;
use crate::error::ConnectionError;

thread_local! {
    /// The buffer for the messages that a subscription takes; empty between two polls.
    static TAKEN: Cell<Vec<Arc<SharedMessage>>> = const { Cell::new(Vec::new()) };
}

/// A publisher of messages to subscriptions on any thread, in one order for all of them. Clones
/// share the subscriptions.
///
/// ```
/// use polysock::{Accept, Application, BoxError, Broadcast, Handshake, Queue};
///
/// fn party_line() -> impl Application {
///     let line = Broadcast::new();
///     move |handshake: Handshake| {
///         let line = line.clone();
///         async move {
///             let mut connection = handshake.accept(Accept::default()).await?;
///             let mut subscription = line.subscribe(Queue::default());
///             while let Some(message) = subscription.next(&mut connection).await.transpose()? {
///                 line.publish(message);
///             }
///             Ok(())
///         }
///     }
/// }
/// # party_line();
/// ```
#[derive(Clone, Default)]
pub struct Broadcast {
    topic: Arc<Mutex<Topic>>,
}

/// The subscription of one connection to a [`Broadcast`]. Ends when dropped.
pub struct Subscription {
    topic: Arc<Mutex<Topic>>,
    key: usize,
    /// Whether anything has arrived for the subscription. Until then its connection does not count
    /// missed messages, and its socket is not shared: both take memory.
    has_begun: bool,
}

impl Broadcast {
    /// Creates a broadcast without subscriptions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a message to every current subscription, from any thread. Never blocks: a message that
    /// a subscriber cannot take yet waits in its [`Queue`].
    pub fn publish(&self, message: Message) {
        let message = Arc::new(SharedMessage::new(message));
        self.wake(|topic, wakers| topic.push(message, wakers));
    }

    /// Closes the connection of every current subscription, after the messages published before:
    /// each connection is sent the content of its [`Queue`] and then the close. Never blocks;
    /// callable from any thread.
    ///
    /// Messages published later do not reach those subscriptions, however full their queues are, so
    /// the close is never lost. A subscription that was already cut off by [`Overflow::Disconnect`]
    /// keeps that close. Later subscriptions are not closed. A peer that reads nothing stays
    /// connected until its timeouts expire.
    pub fn close(&self, close: Close) {
        self.wake(|topic, wakers| topic.close_all(close, wakers));
    }

    /// Applies `act` to the topic, then wakes the tasks that `act` has collected.
    fn wake(&self, act: impl FnOnce(&mut Topic, &mut Vec<Waker>)) {
        let mut topic = lock(&self.topic);
        let mut wakers = std::mem::take(&mut topic.wakers);
        act(&mut topic, &mut wakers);
        drop(topic);
        if wakers.capacity() > 0 {
            wakers.drain(..).for_each(Waker::wake);
            lock(&self.topic).wakers = wakers;
        }
    }

    /// Subscribes to the messages published from now on.
    pub fn subscribe(&self, queue: Queue) -> Subscription {
        let key = lock(&self.topic).insert(queue);
        Subscription {
            topic: Arc::clone(&self.topic),
            key,
            has_begun: false,
        }
    }

    /// Returns how many messages the subscriptions have missed because their queues were full. A
    /// message missed by several subscriptions counts once for each; ended subscriptions are
    /// included.
    pub fn missed(&self) -> u64 {
        lock(&self.topic).missed()
    }
}

thread_local! {
    /// The broadcast behind the mailboxes created on this thread. All share one topic, so that a
    /// message to many mailboxes locks it once.
    static POST: OnceCell<Broadcast> = const { OnceCell::new() };
}

/// The default queue of a mailbox. An overflow disconnects the client, which can rarely miss a
/// message sent to it alone.
pub(crate) const MAILBOX: Queue = Queue {
    messages: 16 * 1024,
    bytes: 4 << 20,
    overflow: Overflow::Disconnect,
};

/// Creates a subscription that receives only the messages sent to its
/// [mailbox](Subscription::mailbox).
pub(crate) fn mailboxes(queue: Queue) -> Subscription {
    POST.with(|post| post.get_or_init(Broadcast::new).subscribe(queue))
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = lock(&self.topic);
        f.debug_struct("Broadcast")
            .field("subscriptions", &topic.len())
            .field("waiting", &topic.kept())
            .finish()
    }
}

impl Subscription {
    /// Receives the next message from the connection, as its stream does. Meanwhile sends the
    /// published messages, all queued ones in one write. Returns `None` once the connection is
    /// closed, also by [`Broadcast::close`].
    ///
    /// A message that the connection's protocol cannot carry closes it with code 1003
    /// ([`BinaryOverText`](crate::BinaryOverText) documents when binary messages can be carried).
    /// While the connection is sending a message in pieces, published messages wait.
    ///
    /// # Errors
    ///
    /// The connection failed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: all state is in the subscription and the connection.
    pub fn next<'a>(
        &'a mut self,
        connection: &'a mut Connection,
    ) -> impl Future<Output = Option<Result<Message, ConnectionError>>> + 'a {
        Next {
            subscription: self,
            connection,
            is_shared: false,
        }
    }

    /// Closes the connection after the messages published before, which [`Connection::start_close`]
    /// would overtake: [`next`](Self::next) sends the queued messages, then the close. Messages may
    /// still be received until `next` ends.
    pub fn close(&mut self, close: Close) {
        let waker = lock(&self.topic).close(self.key, close);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Returns how many messages the subscription has missed because its queue was full. A gateway
    /// logs this number when the connection ends, and warns when subscriptions begin to miss
    /// messages.
    pub fn missed(&self) -> u64 {
        let topic = lock(&self.topic);
        let subscriber = topic.get(self.key);
        subscriber.map_or(0, |subscriber| subscriber.missed)
    }

    /// Connects the subscription's count of missed messages to the connection's.
    #[cold]
    fn begin(&mut self, connection: &mut Connection) {
        self.has_begun = true;
        let mut topic = lock(&self.topic);
        let overflow = topic.overflow(self.key).map_or("none", Overflow::name);
        if let Some(told) = connection.missed(overflow) {
            topic.tell(self.key, told);
        }
    }

    /// Returns the mailbox of this subscription.
    pub(crate) fn mailbox(&self) -> Mailbox {
        let address = lock(&self.topic).address(self.key);
        Mailbox::new(Arc::clone(&self.topic), address)
    }

    /// Writes the queued messages to the connection while its owner waits for something other than
    /// the next message. Receives nothing. Starts the close of the connection if a shutdown asks
    /// for it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: all state is in the subscription and the connection.
    pub(crate) fn poll_send(&mut self, connection: &mut Connection, cx: &mut Context<'_>) {
        loop {
            let seen = self.forward(connection);
            // The next receive returns an error.
            let is_written = matches!(connection.poll_outgoing(cx), Poll::Ready(Ok(())));
            if is_written && seen == Seen::Some && room(connection) > 0 {
                continue;
            }
            if lock(&self.topic).wait(self.key, seen, cx.waker()) {
                return;
            }
        }
    }

    /// Passes queued messages to the connection, as far as it has room.
    fn forward(&mut self, connection: &mut Connection) -> Seen {
        let mut messages = TAKEN.take();
        let room = room(connection);
        let left = lock(&self.topic).take(self.key, room, &mut messages);
        if !self.has_begun && (!messages.is_empty() || !matches!(left, Left::Nothing)) {
            self.begin(connection);
        }
        for message in messages.drain(..) {
            if let Err(error) = connection.send_shared(&message) {
                let close = Close::new(CloseCode::UNSUPPORTED_DATA, error.to_string());
                connection.start_close(Some(close));
            }
        }
        TAKEN.set(messages);
        match left {
            Left::More => return Seen::Some,
            Left::Nothing => return Seen::All,
            Left::Ending(Ending::CutOff) => {
                let close = Close::new(CloseCode::POLICY_VIOLATION, "reads too slowly");
                connection.start_close(Some(close));
            }
            // A message that is being sent in pieces is completed first.
            Left::Ending(Ending::Farewell(close)) => {
                if connection.backlog().is_some() {
                    connection.start_close(Some(Close::clone(&close)));
                }
            }
        }
        Seen::End
    }
}

/// The future of [`Subscription::next`]. The connection's socket is shared while the future waits.
/// The future borrows the connection, and reclaims the socket before the connection can be used
/// again.
struct Next<'a> {
    subscription: &'a mut Subscription,
    connection: &'a mut Connection,
    is_shared: bool,
}

impl Next<'_> {
    /// Lets the flusher write short messages until the connection's task wakes. Does nothing on a
    /// multi-threaded runtime, whose tasks write in parallel instead.
    fn share(&mut self) {
        let is_one_thread =
            |runtime: &Handle| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread;
        let Subscription { topic, key, .. } = &*self.subscription;
        if let Some(runtime) = Handle::try_current().ok().filter(is_one_thread)
            && let Some(writer) = self.connection.share_writer()
        {
            self.is_shared = true;
            if let Some(queue) = lock(topic).attach(*key, writer, runtime.id()) {
                let mut flusher = Flusher::new(Arc::downgrade(topic), queue);
                runtime.spawn(poll_fn(move |cx| flusher.poll(cx)));
            }
        }
    }

    fn reclaim(&mut self) {
        if std::mem::take(&mut self.is_shared) {
            self.connection.reclaim_writer();
        }
    }
}

impl Future for Next<'_> {
    type Output = Option<Result<Message, ConnectionError>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.reclaim();
        loop {
            let seen = this.subscription.forward(this.connection);
            let received = Pin::new(&mut *this.connection).poll_next(cx);
            if received.is_ready() {
                return received;
            }
            // The write may have made room for more.
            if seen == Seen::Some && room(this.connection) > 0 {
                continue;
            }
            let Subscription { topic, key, .. } = &*this.subscription;
            if lock(topic).wait(*key, seen, cx.waker()) {
                if seen != Seen::Some && this.subscription.has_begun {
                    this.share();
                }
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Next<'_> {
    fn drop(&mut self) {
        self.reclaim();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let waker = lock(&self.topic).remove(self.key);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = lock(&self.topic);
        let subscriber = topic.get(self.key);
        f.debug_struct("Subscription")
            .field("queue", &subscriber.map(|subscriber| subscriber.queue))
            .field("waiting", &subscriber.map(|subscriber| subscriber.messages))
            .finish_non_exhaustive()
    }
}

/// Returns how many bytes may be passed to a connection now.
fn room(connection: &Connection) -> usize {
    let backlog = connection.backlog();
    backlog.map_or(0, |backlog| ROOM.saturating_sub(backlog))
}
