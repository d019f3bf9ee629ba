//! A configuration that is served, until another takes its place.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use polysock::protocols::Masking;
use polysock::{Gateway, ListenAddress, PortSettings, Sites, Workers};
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::Acceptors;
use super::listening::{address, port_settings};
use super::passed::Passed;
use super::sites::Made;
use crate::config::Config;
use crate::config::listener::{Address, Listener};
use crate::config::target::Target;
use crate::flags::connections::{Takes, limits};
use crate::flags::listen::{cannot_start, listening};
use crate::flags::memory::budget;

/// A configuration that is served.
#[derive(Debug)]
pub(crate) struct Server {
    config: Config,
    made: Made,
    sites: Arc<Sites>,
    /// Whose limits and memory all ports share.
    gateway: Gateway,
    workers: Workers,
    listeners: Vec<Bound>,
    acceptors: Acceptors,
    passed: Passed,
}

/// A listener, and where it is: a port of 0 has become another.
#[derive(Debug)]
struct Bound {
    listener: Listener,
    address: ListenAddress,
    /// The number of its socket among those that systemd has passed.
    passed: Option<usize>,
}

/// Why a configuration is not served.
#[derive(Debug)]
pub(crate) enum Unserved {
    /// It cannot be.
    Config(String),
    /// The system does not let us.
    System(String),
}

impl Server {
    /// Makes all that a configuration asks for, and listens. Servers are checked by tasks of this runtime.
    ///
    /// # Errors
    ///
    /// A target cannot be served, an address not be bound, or a thread not started. Nothing is left
    /// of it then.
    pub(crate) fn start(config: Config, runtime: &Handle) -> Result<Self, Unserved> {
        let made = Made::of(&config, &Made::default(), runtime).map_err(Unserved::Config)?;
        let acceptors = Acceptors::of(&config, &Acceptors::default()).map_err(Unserved::Config)?;
        let sites = Arc::new(Sites::new(made.routes()));
        let process = &config.process;
        let settings = PortSettings {
            connections: limits(
                process.max_connections,
                process.max_connections_per_address,
                process.max_handshakes,
                takes(&config),
            ),
            budget: budget(process.max_memory),
            ..PortSettings::default()
        };
        let threads = process.workers.or(available_parallelism().ok());
        let threads = threads.map_or(1, NonZeroUsize::get);
        let workers = Workers::start(threads, process.shutdown_timeout);
        let mut server = Self {
            made,
            gateway: Gateway::with_sites(Arc::clone(&sites), settings),
            sites,
            workers: workers.map_err(|error| Unserved::System(cannot_start(&error)))?,
            listeners: Vec::new(),
            acceptors,
            passed: Passed::take(),
            config,
        };
        if let Err(problem) = server.listen(&server.config.listeners.clone()) {
            server.workers.stop();
            return Err(Unserved::System(problem));
        }
        server.warn_of_unmasked();
        server.warn_of_unverified();
        server.warn_of_unused();
        Ok(server)
    }

    /// Serves another configuration from now on. What has not changed is not touched: a connection
    /// notices nothing where its route says the same as before, nor does a listener. The connections of
    /// routes that have changed, or are gone, are closed by tasks of this runtime.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start). Nothing has changed then.
    pub(crate) fn reload(&mut self, config: Config, runtime: &Handle) -> Result<(), Unserved> {
        let made = Made::of(&config, &self.made, runtime).map_err(Unserved::Config)?;
        let acceptors = Acceptors::of(&config, &self.acceptors).map_err(Unserved::Config)?;
        let before = self.listeners.len();
        let acceptors_before = std::mem::replace(&mut self.acceptors, acceptors);
        if let Err(problem) = self.listen(&config.listeners) {
            self.acceptors = acceptors_before;
            for bound in self.listeners.split_off(before) {
                self.workers.remove(&bound.address);
            }
            return Err(Unserved::System(problem));
        }
        self.warn_of_what_stays(&config);
        self.config = config;
        let gone = self.sites.replace(made.routes());
        self.settle_listeners();
        made.settle_servers(&self.made, runtime);
        let kept = made.kept_from(&self.made);
        info!(
            routes = made.count(),
            unchanged = kept,
            listeners = self.listeners.len(),
            "the configuration is in force"
        );
        for site in gone {
            let over = self.made.drain_of(&site);
            runtime.spawn(async move { site.close(over).await });
        }
        self.made = made;
        self.warn_of_unmasked();
        self.warn_of_unverified();
        self.warn_of_unused();
        Ok(())
    }

    /// Ends: nothing listens any more, and connections are asked to close.
    pub(crate) fn stop(self) -> Workers {
        self.workers.stop();
        self.workers
    }

    /// How long connections may take to close then.
    pub(crate) fn shutdown_timeout(&self) -> Duration {
        self.config.process.shutdown_timeout
    }

    /// Listens there as well, where nobody does yet.
    fn listen(&mut self, listeners: &[Listener]) -> Result<(), String> {
        let before = self.listeners.len();
        for listener in listeners {
            let gateway = self.gateway.clone();
            let gateway = gateway.with_settings(port_settings(listener, &self.config, &self.acceptors));
            let is_there = |bound: &Bound| bound.is(listener, &self.passed);
            if let Address::Systemd(name) = &listener.address {
                for (number, socket) in self.passed.named(name.as_deref())? {
                    let is_taken = |bound: &Bound| bound.passed == Some(number);
                    if self.listeners.iter().any(is_taken) {
                        continue;
                    }
                    let address = socket.address().clone();
                    let served = self.workers.serve(socket, &gateway);
                    served.map_err(|error| format!("cannot listen on {address}: {error}"))?;
                    self.note(listener, address, Some(number));
                }
            } else if let Some(address) = address(listener)
                // Several may have a port of 0.
                && !self.listeners.iter().take(before).any(is_there)
            {
                let bound = self.workers.listen(&address, &gateway);
                let bound = bound.map_err(|error| cannot_start(&error))?;
                self.note(listener, bound, None);
            }
        }
        Ok(())
    }

    /// Notes where a listener is.
    fn note(&mut self, listener: &Listener, address: ListenAddress, passed: Option<usize>) {
        listening([&address]);
        self.listeners.push(Bound {
            listener: listener.clone(),
            address,
            passed,
        });
    }

    /// Takes away the listeners that the configuration has no more, and has the others treat what comes
    /// in as it says.
    fn settle_listeners(&mut self) {
        let config = &self.config;
        self.listeners.retain_mut(|bound| {
            let mut listeners = config.listeners.iter();
            let Some(listener) = listeners.find(|listener| bound.is(listener, &self.passed)) else {
                info!("no longer listening on {}", bound.address);
                self.workers.remove(&bound.address);
                return false;
            };
            bound.listener = listener.clone();
            let gateway = self.gateway.clone();
            let settings = port_settings(listener, config, &self.acceptors);
            let gateway = gateway.with_settings(settings);
            self.workers.replace(&bound.address, &gateway)
        });
    }

    /// Who comes by a socket that nobody takes waits for ever.
    fn warn_of_unused(&self) {
        let taken = self.listeners.iter().filter_map(|bound| bound.passed);
        if let Some(names) = self.passed.others(&taken.collect::<Vec<_>>()) {
            warn!(
                "no listener takes what systemd has passed as {names}: clients wait there; `systemd:` as an \
                 address takes all of its sockets"
            );
        }
    }

    /// Tells what of another configuration takes a restart.
    fn warn_of_what_stays(&self, config: &Config) {
        let (ours, theirs) = (&self.config.process, &config.process);
        for (key, is_same) in [
            ("workers", ours.workers == theirs.workers),
            ("max_memory", ours.max_memory == theirs.max_memory),
            (
                "max_connections",
                ours.max_connections == theirs.max_connections,
            ),
            (
                "max_connections_per_address",
                ours.max_connections_per_address == theirs.max_connections_per_address,
            ),
            (
                "max_handshakes",
                ours.max_handshakes == theirs.max_handshakes,
            ),
            (
                "shutdown_timeout",
                ours.shutdown_timeout == theirs.shutdown_timeout,
            ),
            ("pid_file", ours.pid_file == theirs.pid_file),
            ("log_format", ours.log_format == theirs.log_format),
        ] {
            if !is_same {
                warn!("`{key}` has changed, which takes a restart: it stays as it was");
            }
        }
    }

    /// Who stands in between can read and change all, where anybody is taken for a server.
    fn warn_of_unverified(&self) {
        for route in self.made.open_names() {
            warn!(route, "the certificates of upstreams are not verified");
        }
    }

    /// RFC 6455 §10.3 in a line for each protocol that cannot heed it.
    fn warn_of_unmasked(&self) {
        let is_open = |address: &&ListenAddress| match address {
            ListenAddress::Tcp(address) => !address.ip().is_loopback(),
            ListenAddress::Unix { .. } => false,
        };
        let mut addresses = self.listeners.iter().map(|bound| &bound.address);
        let Some(address) = addresses.find(is_open) else {
            return;
        };
        let routes = self.config.routes.iter().map(|route| &route.settings);
        let open = routes.filter(|settings| settings.origins.is_none());
        let mut named = Vec::new();
        for protocol in open.flat_map(|settings| &settings.protocols.0) {
            if protocol.masking() != Masking::None || named.contains(&protocol.name()) {
                continue;
            }
            named.push(protocol.name());
            warn!(
                "{} is served on {address} to pages of any origin, and its clients do not mask: \
                 list the pages with --origin, or leave it out of --protocols",
                protocol.name()
            );
        }
    }
}

impl Bound {
    /// Whether a listener of a configuration is this one, whatever else it says.
    fn is(&self, listener: &Listener, passed: &Passed) -> bool {
        match (&listener.address, self.passed) {
            (Address::Systemd(name), Some(number)) => passed.is_named(number, name.as_deref()),
            (_, None) => address(&self.listener) == address(listener),
            (_, Some(_)) => false,
        }
    }
}

/// What a connection takes, at most.
fn takes(config: &Config) -> Takes {
    let is_upstream = |target: &Target| match target {
        Target::App(_) | Target::Files(_) => false,
        Target::Upstream(_) | Target::Servers(_) | Target::Url(_) | Target::Exec(_) => true,
    };
    match config.routes.iter().any(|route| is_upstream(&route.target)) {
        true => Takes::Two,
        false => Takes::One,
    }
}
