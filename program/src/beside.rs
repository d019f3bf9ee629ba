//! Sockets beside those of clients: for operators, and for who publishes. Another server that takes over gets
//! them as well.

use std::fmt::Display;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use polysock::{Gateway, ListenAddress, ListeningSocket, Workers};
use tracing::info;

/// What sockets are for.
pub(crate) const CONTROL: &str = "control";
pub(crate) const PUBLISH: &str = "publish";
pub(crate) const ZMQ: &str = "zmq";

/// How long those who ask a [`BesideListener`] may take to end when the server does.
const GOODBYE: Duration = Duration::from_millis(500);

/// A socket that listens beside those of clients. The file of a Unix socket goes with it.
#[derive(Debug)]
pub(crate) struct Beside {
    name: String,
    socket: ListeningSocket,
}

impl Beside {
    /// What one is called where it is handed over: what it is for, and its address as it was configured.
    pub(crate) fn name(what: &str, address: impl Display) -> String {
        format!("{what} {address}")
    }

    /// Binds it, or takes what the server before has passed on.
    ///
    /// # Errors
    ///
    /// It cannot be bound, or listens not.
    pub(crate) fn open(
        name: String,
        address: &ListenAddress,
        passed: Option<Vec<OwnedFd>>,
    ) -> io::Result<Self> {
        let socket = match passed {
            Some(sockets) => ListeningSocket::inherited(sockets)?,
            None => ListeningSocket::bind(address, 1)?,
        };
        Ok(Self { name, socket })
    }

    /// The same for who serves it.
    ///
    /// # Errors
    ///
    /// There are no descriptors left.
    pub(crate) fn to_serve(&self) -> io::Result<ListeningSocket> {
        ListeningSocket::inherited(self.socket.descriptors()?)
    }

    /// What it is called, and its sockets, for another server.
    ///
    /// # Errors
    ///
    /// There are no descriptors left.
    pub(crate) fn offered(&self) -> io::Result<(String, Vec<OwnedFd>)> {
        Ok((self.name.clone(), self.socket.descriptors()?))
    }

    /// Has it end with this process: the server before has gone.
    pub(crate) fn adopt(&mut self) {
        self.socket.adopt();
    }

    /// Has the server go on with it that has taken over, if it is among these.
    pub(crate) fn hand_over(&mut self, wanted: &[String]) {
        if wanted.contains(&self.name) {
            self.socket.hand_over();
        }
    }
}

/// Such a socket, and the thread of its own that answers requests there: whoever is served waits for nobody who
/// looks on.
#[derive(Debug)]
pub(crate) struct BesideListener {
    pub(crate) beside: Beside,
    /// Where the workers serve.
    served: ListenAddress,
    workers: Workers,
}

impl BesideListener {
    /// Listens at this address for what this is for, which the log is told.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the thread not be started.
    pub(crate) fn start(
        what: &str,
        address: &ListenAddress,
        passed: Option<Vec<OwnedFd>>,
        gateway: &Gateway,
    ) -> Result<Self, String> {
        let mut workers =
            Workers::start(1, GOODBYE).map_err(|error| format!("the {what} listener: {error}"))?;
        let beside = Beside::open(Beside::name(what, address), address, passed);
        let served = beside.and_then(|beside| {
            let socket = beside.to_serve()?;
            let served = socket.address().clone();
            workers.serve(socket, gateway)?;
            Ok((beside, served))
        });
        let (beside, served) = served
            .map_err(|error| format!("the {what} listener: cannot listen on {address}: {error}"))?;
        info!("{what} listener on {served}");
        Ok(Self {
            beside,
            served,
            workers,
        })
    }

    /// Lets nobody else in: another server does, from now on. Who has asked is answered.
    pub(crate) fn hand_over(&mut self, wanted: &[String]) {
        self.beside.hand_over(wanted);
        self.workers.remove(&self.served);
    }

    /// Ends.
    pub(crate) fn end(self) {
        self.workers.stop();
        // A thread that panicked has told so.
        let _ = self.workers.join();
    }
}
