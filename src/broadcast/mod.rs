//! Messages from anywhere to many connections.
//!
//! ```text
//!                          ┌─ log ────────────────┐ ◀── Subscription ──▶ Connection
//!   publish, any thread ──▶│ a │ b │ c │ d │ e │ f │ ◀── Subscription ──▶ Connection
//!                          └──────────────────────┘ ◀── Subscription ──▶ Connection
//! ```
//!
//! A message stands in the log once, until the last subscription has taken it. To publish is to
//! append it and to wake the subscribers that sleep; each of them then takes all that waits for it
//! and writes it at once. A connection over TCP that only waits shares its socket meanwhile: short
//! messages are written to it by one task for all the connections of its thread.

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
    /// Where a subscription puts what it takes; empty between two turns.
    static TAKEN: Cell<Vec<Arc<SharedMessage>>> = const { Cell::new(Vec::new()) };
}

/// Publishes messages to its subscriptions, on whatever thread they are, in one order for all of
/// them. Clones are the same.
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

/// What one connection is sent of what is published. Ends when dropped.
pub struct Subscription {
    topic: Arc<Mutex<Topic>>,
    key: usize,
    /// Whether anything has come for it yet. Until then its connection counts nothing of what it misses, and
    /// its socket is not shared: both take memory.
    has_begun: bool,
}

impl Broadcast {
    /// One without subscriptions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a message to every subscription there is, from any thread. Returns at once: what a
    /// subscriber cannot take yet waits in its [`Queue`].
    pub fn publish(&self, message: Message) {
        let message = Arc::new(SharedMessage::new(message));
        self.wake(|topic, wakers| topic.push(message, wakers));
    }

    /// Closes the connection of every subscription there is, behind what was published before:
    /// each is sent what waits in its [`Queue`], and then this. Returns at once, from any thread.
    ///
    /// Nothing that is published later reaches those subscriptions, however full their queues, so
    /// that the close is never missed; one that was cut off before for [`Overflow::Disconnect`] is
    /// closed for that. Subscriptions that come later are not closed. A peer that reads nothing
    /// stays until its timeouts, as ever.
    pub fn close(&self, close: Close) {
        self.wake(|topic, wakers| topic.close_all(close, wakers));
    }

    /// Does something to the topic, and then wakes the tasks that this concerns.
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

    /// A subscription to what is published from now on.
    pub fn subscribe(&self, queue: Queue) -> Subscription {
        let key = lock(&self.topic).insert(queue);
        Subscription {
            topic: Arc::clone(&self.topic),
            key,
            has_begun: false,
        }
    }

    /// How many messages its subscriptions have missed because their queues were full, each by one
    /// subscription; those that have ended count too.
    pub fn missed(&self) -> u64 {
        lock(&self.topic).missed()
    }
}

thread_local! {
    /// Where what is sent to the mailboxes of this thread waits for them: one place for all of them, so that a
    /// message to many takes it once.
    static POST: OnceCell<Broadcast> = const { OnceCell::new() };
}

/// How much may wait in a mailbox, unless something else is said. What is sent to one client is rarely such that
/// some can be missed.
pub(crate) const MAILBOX: Queue = Queue {
    messages: 16 * 1024,
    bytes: 4 << 20,
    overflow: Overflow::Disconnect,
};

/// A subscription to nothing but what is sent to its [mailbox](Subscription::mailbox).
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
    /// Receives the next message from the connection, as its stream does; what is published
    /// meanwhile goes out to it, all that waits in one write. Ends once the connection is closed,
    /// be it by [`Broadcast::close`].
    ///
    /// A message that the connection's protocol cannot carry closes it with code 1003
    /// ([`BinaryOverText`](crate::BinaryOverText) says when binary messages can be carried).
    /// While the connection is in the middle of a message that is sent in pieces, what is
    /// published waits.
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

    /// Closes its connection behind what was published before, which
    /// [`Connection::start_close`] would overtake: [`next`](Self::next) sends what waits, and then
    /// this. Messages may still come until `next` ends.
    pub fn close(&mut self, close: Close) {
        let waker = lock(&self.topic).close(self.key, close);
        waker.into_iter().for_each(Waker::wake);
    }

    /// How many messages it has missed because its queue was full. The log of a gateway says it when the
    /// connection ends, and warns when some begin to miss messages.
    pub fn missed(&self) -> u64 {
        let topic = lock(&self.topic);
        let subscriber = topic.get(self.key);
        subscriber.map_or(0, |subscriber| subscriber.missed)
    }

    /// Has the connection count what the subscription misses.
    #[cold]
    fn begin(&mut self, connection: &mut Connection) {
        self.has_begun = true;
        let mut topic = lock(&self.topic);
        let overflow = topic.overflow(self.key).map_or("none", Overflow::name);
        if let Some(told) = connection.missed(overflow) {
            topic.tell(self.key, told);
        }
    }

    /// The way to this subscription alone.
    pub(crate) fn mailbox(&self) -> Mailbox {
        let address = lock(&self.topic).address(self.key);
        Mailbox::new(Arc::clone(&self.topic), address)
    }

    /// Writes what waits to the connection, while its owner waits for something else than the next
    /// message. Nothing is received meanwhile, and a connection that is asked to close says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: all state is in the subscription and the connection.
    pub(crate) fn poll_send(&mut self, connection: &mut Connection, cx: &mut Context<'_>) {
        loop {
            let seen = self.forward(connection);
            // Its next receiver is told of an error.
            let is_written = matches!(connection.poll_outgoing(cx), Poll::Ready(Ok(())));
            if is_written && seen == Seen::Some && room(connection) > 0 {
                continue;
            }
            if lock(&self.topic).wait(self.key, seen, cx.waker()) {
                return;
            }
        }
    }

    /// Hands the connection what waits, as far as it has room.
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
            // A message that is sent in pieces ends first.
            Left::Ending(Ending::Farewell(close)) => {
                if connection.backlog().is_some() {
                    connection.start_close(Some(Close::clone(&close)));
                }
            }
        }
        Seen::End
    }
}

/// What [`Subscription::next`] returns. While it waits, the connection's socket is shared; nobody
/// else can use the connection meanwhile, and the socket is reclaimed before anybody can.
struct Next<'a> {
    subscription: &'a mut Subscription,
    connection: &'a mut Connection,
    is_shared: bool,
}

impl Next<'_> {
    /// Has short messages written without the connection's task, until that wakes. Where threads
    /// share a runtime, their tasks write side by side instead.
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
            // What was written may have made room for more.
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

/// How many bytes a connection may be handed now.
fn room(connection: &Connection) -> usize {
    let backlog = connection.backlog();
    backlog.map_or(0, |backlog| ROOM.saturating_sub(backlog))
}
