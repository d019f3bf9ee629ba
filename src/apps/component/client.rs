//! A client of a component.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytestring::ByteString;
use polysock_protocols::{Close, Closed, Message, PackedRequest, Request, SharedMessage};

use crate::broadcast::Mailbox;
use crate::telemetry::Address;
use crate::transport::{Extensions, Peer};

/// A client of a component, of any protocol. Clones refer to the same client and compare equal.
/// They may be kept anywhere, also after the client has disconnected.
///
/// All methods can be called from any thread, and none of them blocks.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    id: u64,
    mailbox: Mailbox,
    about: ClientProperties,
    bag: Mutex<Bag>,
    is_closing: AtomicBool,
    closed: OnceLock<Box<Closed>>,
}

/// The properties of a client that are fixed once it has connected.
#[derive(Debug, Default)]
pub(super) struct ClientProperties {
    pub(super) protocol: &'static str,
    // Boxed, because few clients have one.
    pub(super) subprotocol: Option<Box<ByteString>>,
    pub(super) peer: Peer,
}

/// The mutable state of a client.
#[derive(Default)]
struct Bag {
    values: Extensions,
    request: Option<Box<PackedRequest>>,
}

/// The id of the next client of this process.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Client {
    pub(super) fn new(
        mailbox: Mailbox,
        about: ClientProperties,
        request: Option<Box<PackedRequest>>,
    ) -> Self {
        Self(Arc::new(Inner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            mailbox,
            about,
            bag: Mutex::new(Bag {
                request,
                ..Bag::default()
            }),
            is_closing: AtomicBool::new(false),
            closed: OnceLock::new(),
        }))
    }

    /// Creates a client without a connection, for tests. Messages sent to it are dropped.
    pub fn unconnected() -> Self {
        Self::new(Mailbox::nowhere(), ClientProperties::default(), None)
    }

    /// Returns the id of the client, unique among all components of this process. Ids increase.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Returns the name of the client's protocol: `rfc6455`, `hixie-76`; `tcp` for a byte stream.
    pub fn protocol(&self) -> &'static str {
        self.0.about.protocol
    }

    /// Returns the negotiated subprotocol.
    pub fn subprotocol(&self) -> Option<&str> {
        let subprotocol = self.0.about.subprotocol.as_deref();
        subprotocol.map(|subprotocol| &**subprotocol)
    }

    /// Returns the peer: the addresses and the identity found by the layers below.
    pub fn peer(&self) -> &Peer {
        &self.0.about.peer
    }

    /// Returns the opening handshake's request: path, query, origin, cookies. `None` if there was
    /// none, as over a plain byte stream, and after [`on_open`](super::Component::on_open) has
    /// returned, unless [`Ws::keep_requests`](super::Ws::keep_requests) is set: few components need
    /// the request later, and it is a good part of the memory of an idle client.
    ///
    /// Each call parses the head again.
    pub fn request(&self) -> Option<Box<Request>> {
        let request = self.bag().request.clone();
        request?.unpack()
    }

    /// Drops the request.
    pub(super) fn forget_request(&self) {
        self.bag().request = None;
    }

    /// Returns the value of this type that was [inserted](Self::insert), or else that a layer below
    /// has put into the [extensions](Peer::extensions) of the peer: the
    /// [`Captures`](crate::upstream::Captures) of a route, a session.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let put = self.bag().values.get::<T>().cloned();
        put.or_else(|| self.peer().extensions.get::<T>().cloned())
    }

    /// Stores a value with the client, one for each type. Returns the previous value.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        self.bag().values.insert(value)
    }

    /// Removes a stored value and returns it.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.bag().values.remove::<T>()
    }

    /// Sends a message. Messages to one client arrive in the order of the calls. After a close, or
    /// once the client has disconnected, the call does nothing.
    ///
    /// Messages that the connection cannot take yet wait in the [queue](super::Ws::queue).
    pub fn send(&self, message: impl Into<Message>) {
        self.0
            .mailbox
            .send(&Arc::new(SharedMessage::new(message.into())));
    }

    /// Closes the connection after all messages sent before, in the way of the protocol: with a
    /// code and a reason, or by ending the stream. Only the first close has an effect.
    pub fn close(&self, close: impl Into<Close>) {
        if !self.0.is_closing.swap(true, Ordering::AcqRel) {
            self.0.mailbox.close(close.into());
        }
    }

    /// Whether [`close`](Self::close) was called, or the client has disconnected.
    pub fn is_closing(&self) -> bool {
        self.0.is_closing.load(Ordering::Acquire) || self.closed().is_some()
    }

    /// Returns the way in which the connection ended, from [`on_close`](super::Component::on_close)
    /// on. `None` while it is open.
    pub fn closed(&self) -> Option<&Closed> {
        self.0.closed.get().map(|closed| &**closed)
    }

    /// Records how the connection ended.
    pub(super) fn note_closed(&self, closed: Closed) {
        // A connection ends only once, so the cell is empty.
        let _ = self.0.closed.set(Box::new(closed));
    }

    /// Returns the mailbox for messages to the client.
    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.0.mailbox
    }

    fn bag(&self) -> MutexGuard<'_, Bag> {
        // Each operation leaves the bag consistent, so a panic cannot break it.
        self.0.bag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Client {}

impl Hash for Client {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClientProperties { protocol, peer, .. } = &self.0.about;
        f.debug_struct("Client")
            .field("id", &self.id())
            .field("protocol", protocol)
            .field(
                "peer",
                &peer.address.map(|address| Address(address).to_string()),
            )
            .finish_non_exhaustive()
    }
}
