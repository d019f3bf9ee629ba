//! The takeover from a predecessor, and the handover to a successor.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;

use polysock::ListeningSocket;
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::bound::name;
use super::handover::{Offer, Predecessor, Successor};
use super::listening::inner_address;
use super::push::publishing;
use super::server::Server;
use super::zmq::ZmqSockets;
use crate::beside::{Beside, BesideListener, CONTROL, PUBLISH, ZMQ};
use crate::config::listener::Listener;

impl Server {
    /// Receives the sockets of a running server, if there is one, and offers those of this server.
    pub(super) fn take_over(&mut self, runtime: &Handle) -> Result<(), String> {
        let Some(path) = &self.config.process.handover else {
            return Ok(());
        };
        let mut names: Vec<_> = self.config.listeners.iter().map(name).collect();
        names.extend(self.names_beside());
        self.predecessor = Predecessor::find(path, &names).map_err(|error| {
            format!(
                "cannot take over from the server at {}: {error}; stop it before starting this one",
                path.display()
            )
        })?;
        let _context = runtime.enter();
        let offer = match self.predecessor.as_mut().and_then(Predecessor::offer) {
            Some(sockets) => Offer::inherited(sockets),
            None => Offer::bind(path),
        };
        let problem = |error| format!("cannot listen on {}: {error}", path.display());
        self.offer = Some(offer.map_err(problem)?);
        Ok(())
    }

    /// Takes the socket of a listener that the predecessor has passed on.
    pub(super) fn handed_over(
        &mut self,
        listener: &Listener,
    ) -> Result<Option<ListeningSocket>, String> {
        let name = name(listener);
        let Some(sockets) = self.passed_on(&name) else {
            return Ok(None);
        };
        let socket = ListeningSocket::inherited(sockets);
        let problem =
            |error| format!("the sockets passed on as {name} by the previous server: {error}");
        socket.map(Some).map_err(problem)
    }

    /// Takes the sockets of this name that the predecessor has passed on.
    pub(crate) fn passed_on(&mut self, name: &str) -> Option<Vec<OwnedFd>> {
        self.predecessor.as_mut()?.sockets(name)
    }

    /// Opens the publish listener, if one is configured.
    pub(super) fn start_publishing(&mut self) -> Result<(), String> {
        let address = self.config.publish.listen.as_ref();
        let address = address.map(|address| inner_address(address, PUBLISH));
        let address = address.transpose()?;
        let passed = address.and_then(|address| self.passed_on(&Beside::name(PUBLISH, address)));
        self.publishing = publishing(&self.config.publish, &self.channels, passed)?;
        Ok(())
    }

    /// Binds the ZeroMQ sockets on which web apps publish, if any are configured.
    pub(super) fn start_zmq(&mut self) -> Result<(), String> {
        let predecessor = &mut self.predecessor;
        let passed = |name: &str| predecessor.as_mut()?.sockets(name);
        self.zmq = ZmqSockets::start(&self.config.zmq, &self.channels, passed)?;
        Ok(())
    }

    /// The names of the sockets that are not for clients.
    fn names_beside(&self) -> impl Iterator<Item = String> {
        let (control, publish) = (&self.config.control, &self.config.publish);
        let listeners = [(CONTROL, &control.listen), (PUBLISH, &publish.listen)];
        let listeners = listeners.into_iter().filter_map(|(what, address)| {
            // Other addresses are refused later.
            let address = inner_address(address.as_ref()?, what).ok()?;
            Some(Beside::name(what, address))
        });
        let zmq = self.config.zmq.pull.iter().chain(&self.config.zmq.sub);
        listeners.chain(zmq.map(|address| Beside::name(ZMQ, address)))
    }

    /// The sockets that are not for clients, except that of the control listener.
    fn beside(&mut self) -> impl Iterator<Item = &mut Beside> {
        let publishing = self
            .publishing
            .iter_mut()
            .map(|listener| &mut listener.beside);
        let zmq = self.zmq.iter_mut().flat_map(ZmqSockets::beside);
        publishing.chain(zmq)
    }

    /// Tells the predecessor, if there is one, that it may end.
    pub(crate) fn relieve(&mut self, control: Option<&mut BesideListener>) {
        let Some(predecessor) = self.predecessor.take() else {
            return;
        };
        let process = predecessor.process();
        if let Err(error) = predecessor.relieve() {
            warn!("process {process}, the previous server, does not confirm its end: {error}");
            return;
        }
        for bound in &self.listeners {
            if bound.passed.is_none() {
                self.workers.adopt(&bound.address);
            }
        }
        let control = control.map(|listener| &mut listener.beside);
        self.beside().chain(control).for_each(Beside::adopt);
        if let Some(offer) = &mut self.offer {
            offer.socket().adopt();
        }
        info!("took over from process {process}");
    }

    /// Waits for a server that wants to take over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn successor(&self) -> Successor {
        match &self.offer {
            Some(offer) => offer.successor().await,
            None => pending().await,
        }
    }

    /// Hands over to the successor. Returns true if the successor serves everything that it took.
    /// On false nothing has changed.
    pub(crate) fn hand_over(
        &mut self,
        mut successor: Successor,
        control: Option<&mut BesideListener>,
    ) -> bool {
        let process = successor.process();
        let of_control = control.iter().map(|listener| listener.beside.offered());
        let of_control: Vec<_> = of_control.collect();
        let beside = self.beside().map(|beside| beside.offered());
        let beside: Vec<_> = beside.chain(of_control).collect();
        let Some(offer) = &mut self.offer else {
            return false;
        };
        let own = self.listeners.iter().filter(|bound| bound.passed.is_none());
        let sockets = own.map(|bound| {
            let sockets = self.workers.descriptors(&bound.address)?;
            Ok((name(&bound.listener), sockets))
        });
        let sockets = sockets.chain(beside).collect::<io::Result<Vec<_>>>();
        let wanted = match sockets.and_then(|sockets| successor.give(offer, &sockets)) {
            Ok(wanted) => wanted,
            Err(error) => {
                warn!("the handover to process {process} failed: {error}");
                return false;
            }
        };
        for bound in &self.listeners {
            if wanted.contains(&name(&bound.listener)) {
                self.workers.hand_over(&bound.address);
            }
        }
        offer.socket().hand_over();
        // New publications must reach the successor, which has the new clients.
        for listener in self.publishing.iter_mut().chain(control) {
            listener.hand_over(&wanted);
        }
        if let Some(zmq) = &mut self.zmq {
            zmq.hand_over(&wanted);
        }
        successor.leave();
        info!("closing connections (process {process} has taken over)");
        true
    }
}
