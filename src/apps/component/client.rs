//! One client of a component.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytestring::ByteString;
use polysock_protocols::{Close, Closed, Message, PackedRequest, Request, SharedMessage};

use crate::broadcast::Mailbox;
use crate::telemetry::Address;
use crate::transport::{Extensions, Peer};

/// One client of a component, whatever protocol it speaks. Clones are the same client; they may be kept
/// anywhere, also after it has gone, and two are equal where they are the same.
///
/// All of it can be used from any thread, and nothing waits.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    id: u64,
    mailbox: Mailbox,
    about: About,
    bag: Mutex<Bag>,
    is_closing: AtomicBool,
    closed: OnceLock<Box<Closed>>,
}

/// What is known of a client once it has connected.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) protocol: &'static str,
    // Boxed, as few have one.
    pub(super) subprotocol: Option<Box<ByteString>>,
    pub(super) peer: Peer,
}

/// What a client carries that changes.
#[derive(Default)]
struct Bag {
    values: Extensions,
    request: Option<Box<PackedRequest>>,
}

/// The number of the next client of this process.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Client {
    pub(super) fn new(mailbox: Mailbox, about: About, request: Option<Box<PackedRequest>>) -> Self {
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

    /// A client that nobody stands behind, for tests: what it is sent is dropped.
    pub fn unconnected() -> Self {
        Self::new(Mailbox::nowhere(), About::default(), None)
    }

    /// Its number: no other client of this process has it, whichever component that is of. They count up.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The name of the protocol it speaks: `rfc6455`, `hixie-76`; `tcp` for a byte stream.
    pub fn protocol(&self) -> &'static str {
        self.0.about.protocol
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        let subprotocol = self.0.about.subprotocol.as_deref();
        subprotocol.map(|subprotocol| &**subprotocol)
    }

    /// Who it is, as far as the layers below have found out.
    pub fn peer(&self) -> &Peer {
        &self.0.about.peer
    }

    /// What it asked for in its opening handshake: path, query, origin, cookies. `None` where there was
    /// none, as over a plain byte stream, and once [`on_open`](super::Component::on_open) is done, unless
    /// [`Ws::keep_requests`](super::Ws::keep_requests) says otherwise: few need it then, and it would be a good
    /// part of what an idle client takes.
    ///
    /// Its head is read again each time.
    pub fn request(&self) -> Option<Box<Request>> {
        let request = self.bag().request.clone();
        request?.unpack()
    }

    /// Keeps what it asked for no longer.
    pub(super) fn forget_request(&self) {
        self.bag().request = None;
    }

    /// What was [put into](Self::insert) its bag, by type, or into the
    /// [extensions](Peer::extensions) of its peer by a layer below: the
    /// [`Captures`](crate::upstream::Captures) of a route, a session.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let put = self.bag().values.get::<T>().cloned();
        put.or_else(|| self.peer().extensions.get::<T>().cloned())
    }

    /// Puts something into its bag, one value of a type; the one that was there.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        self.bag().values.insert(value)
    }

    /// Takes something out of its bag.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.bag().values.remove::<T>()
    }

    /// Sends a message. What is sent to one client arrives in the order of the calls; once it closes or
    /// has gone, this does nothing.
    ///
    /// What it cannot take yet waits in its [queue](super::Ws::queue).
    pub fn send(&self, message: impl Into<Message>) {
        self.0
            .mailbox
            .send(&Arc::new(SharedMessage::new(message.into())));
    }

    /// Closes the connection behind what was sent before, as its protocol can: a code and a reason, or the
    /// end. The first close counts.
    pub fn close(&self, close: impl Into<Close>) {
        if !self.0.is_closing.swap(true, Ordering::AcqRel) {
            self.0.mailbox.close(close.into());
        }
    }

    /// Whether [`close`](Self::close) was called, or it has gone.
    pub fn is_closing(&self) -> bool {
        self.0.is_closing.load(Ordering::Acquire) || self.closed().is_some()
    }

    /// How its connection ended, once it has; from [`on_close`](super::Component::on_close) on.
    pub fn closed(&self) -> Option<&Closed> {
        self.0.closed.get().map(|closed| &**closed)
    }

    /// Notes how its connection ended.
    pub(super) fn note_closed(&self, closed: Closed) {
        // It ends once.
        let _ = self.0.closed.set(Box::new(closed));
    }

    /// Where its messages go.
    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.0.mailbox
    }

    fn bag(&self) -> MutexGuard<'_, Bag> {
        // The bag is whole between any two operations, so a panic cannot break it.
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
        let About { protocol, peer, .. } = &self.0.about;
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
