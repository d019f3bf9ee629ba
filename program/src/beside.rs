//! Sockets that are not for clients: for operators and for publishers. A server that takes over
//! receives them as well.

use std::fmt::Display;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use polysock::{Gateway, ListenAddress, ListeningSocket, Workers};
use tracing::info;

/// The purposes of sockets, as they appear in names and in the log.
pub(crate) const CONTROL: &str = "control";
pub(crate) const PUBLISH: &str = "publish";
pub(crate) const ZMQ: &str = "zmq";

/// The time that clients of a [`BesideListener`] have to finish at shutdown.
const GOODBYE: Duration = Duration::from_millis(500);

/// A listening socket that is not for clients. It owns the file of a Unix socket.
#[derive(Debug)]
pub(crate) struct Beside {
    name: String,
    socket: ListeningSocket,
}

impl Beside {
    /// The name of a socket in a handover: its purpose and its configured address.
    pub(crate) fn name(what: &str, address: impl Display) -> String {
        format!("{what} {address}")
    }

    /// Binds the socket, or takes over the one that the predecessor has passed on.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the passed socket does not listen.
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

    /// Returns a duplicate of the socket, to be served.
    ///
    /// # Errors
    ///
    /// There are no descriptors left.
    pub(crate) fn to_serve(&self) -> io::Result<ListeningSocket> {
        ListeningSocket::inherited(self.socket.descriptors()?)
    }

    /// Returns the name and duplicates of the descriptors, for another server.
    ///
    /// # Errors
    ///
    /// There are no descriptors left.
    pub(crate) fn offered(&self) -> io::Result<(String, Vec<OwnedFd>)> {
        Ok((self.name.clone(), self.socket.descriptors()?))
    }

    /// Takes ownership of the socket after the predecessor has ended: it ends with this process.
    pub(crate) fn adopt(&mut self) {
        self.socket.adopt();
    }

    /// Gives up the socket if its name is among those that the successor has taken.
    pub(crate) fn hand_over(&mut self, wanted: &[String]) {
        if wanted.contains(&self.name) {
            self.socket.hand_over();
        }
    }
}

/// A listener that is not for clients, with a thread of its own. Its requests thus never delay
/// clients.
#[derive(Debug)]
pub(crate) struct BesideListener {
    pub(crate) beside: Beside,
    /// The address that the workers serve.
    served: ListenAddress,
    workers: Workers,
}

impl BesideListener {
    /// Opens a listener at this address. `what` is its purpose, for names and the log.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the thread cannot be started.
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

    /// Stops accepting: the successor accepts from now on. Pending requests are answered.
    pub(crate) fn hand_over(&mut self, wanted: &[String]) {
        self.beside.hand_over(wanted);
        self.workers.remove(&self.served);
    }

    /// Closes the listener and waits for its thread to end.
    pub(crate) fn end(self) {
        self.workers.stop();
        // A panic of the thread has been logged already.
        let _ = self.workers.join();
    }
}
