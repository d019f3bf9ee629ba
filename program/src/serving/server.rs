//! A running configuration, until a reload replaces it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use polysock::{Budget, Channels, Gateway, ListenAddress, PortSettings, Registry, Sites, Workers};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::Acceptors;
use super::bound::Bound;
use super::bus::BusMembership;
use super::handover::{Offer, Predecessor};
use super::listening::{address, port_settings};
use super::passed::Passed;
use super::settings::connection_limits;
use super::sites::SiteSet;
use super::sunsets::Sunsets;
#[cfg(feature = "legacy-tls")]
use super::warnings::warn_of_old_tls;
use super::warnings::{
    warn_of_any_origin, warn_of_plain_text, warn_of_useless_flash_policy, warn_of_what_stays,
};
use super::zmq::ZmqSockets;
use crate::beside::BesideListener;
use crate::config::Config;
use crate::config::listener::{Address, Listener};
use crate::flags::listen::{cannot_start, listening};
use crate::flags::memory::budget;
use crate::log;
use crate::spans::Spans;

/// A running configuration.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) config: Config,
    pub(super) made: SiteSet,
    sites: Arc<Sites>,
    /// The limits and the memory budget that all ports share.
    gateway: Gateway,
    /// The list of all connections.
    pub(super) registry: Registry,
    /// The channels to clients; they survive a reload.
    pub(super) channels: Channels,
    /// The listener on which web apps publish.
    pub(super) publishing: Option<BesideListener>,
    /// The connection of the channels to those of other servers.
    pub(super) joined: Option<BusMembership>,
    pub(super) zmq: Option<ZmqSockets>,
    pub(super) budget: Budget,
    pub(super) workers: Workers,
    pub(super) listeners: Vec<Bound>,
    pub(super) acceptors: Acceptors,
    passed: Passed,
    /// The handover socket, for the next server.
    pub(super) offer: Option<Offer>,
    /// The server that this one takes over from, until it is told that it may end.
    pub(super) predecessor: Option<Predecessor>,
    /// The task that warns of policy rules with an end date.
    sunsets: Option<AbortOnDropHandle<()>>,
    /// The exporter of spans to a collector of traces.
    pub(super) spans: Option<Spans>,
}

/// The reason why a configuration is not served.
#[derive(Debug)]
pub(crate) enum Unserved {
    /// The configuration cannot be served.
    Config(String),
    /// The operating system refuses something.
    System(String),
}

impl Server {
    /// Makes all sites of a configuration, and opens its listeners. Health checks run as tasks of
    /// this runtime.
    ///
    /// # Errors
    ///
    /// A target cannot be served, an address cannot be bound, or a thread cannot be started.
    /// Everything that was opened is closed then.
    pub(crate) fn start(config: Config, runtime: &Handle) -> Result<Self, Unserved> {
        let registry = Registry::default();
        let channels = Channels::default();
        // Before the first connection, so that none is missed.
        let collector = config.process.log.otlp.as_deref();
        let spans = collector.map(|url| Spans::start(url, &registry));
        let spans = spans.transpose().map_err(Unserved::System)?;
        let joined = BusMembership::start(&config.bus, &channels).map_err(Unserved::Config)?;
        let made = SiteSet::of(&config, &SiteSet::default(), runtime, &registry, &channels);
        let made = made.map_err(Unserved::Config)?;
        let acceptors = Acceptors::of(&config, &Acceptors::default()).map_err(Unserved::Config)?;
        let sites = Arc::new(Sites::new(made.routes()));
        let process = &config.process;
        let budget = budget(process.max_memory);
        let settings = PortSettings {
            connections: connection_limits(&config),
            budget: budget.clone(),
            registry: registry.clone(),
            ..PortSettings::default()
        };
        let threads = process.workers.or(available_parallelism().ok());
        let threads = threads.map_or(1, NonZeroUsize::get);
        let workers = Workers::start(threads, process.shutdown_timeout);
        let mut server = Self {
            made,
            registry,
            channels,
            publishing: None,
            joined,
            zmq: None,
            budget,
            gateway: Gateway::with_sites(Arc::clone(&sites), settings),
            sites,
            workers: workers.map_err(|error| Unserved::System(cannot_start(&error)))?,
            listeners: Vec::new(),
            acceptors,
            passed: Passed::take(),
            offer: None,
            predecessor: None,
            sunsets: None,
            spans,
            config,
        };
        let listening = server.take_over(runtime);
        let listening = listening.and_then(|()| {
            server.listen(&server.config.listeners.clone())?;
            server.start_publishing()?;
            server.start_zmq()
        });
        if let Err(problem) = listening {
            server.workers.stop();
            return Err(Unserved::System(problem));
        }
        server.warn(runtime);
        Ok(server)
    }

    /// Replaces the running configuration. Unchanged listeners, and connections whose route is
    /// unchanged, are not touched. Connections of changed or removed routes are closed by tasks of
    /// this runtime.
    ///
    /// # Errors
    ///
    /// The same as for [`start`](Self::start). Nothing has changed then.
    pub(crate) fn reload(&mut self, config: Config, runtime: &Handle) -> Result<(), Unserved> {
        let made = SiteSet::of(&config, &self.made, runtime, &self.registry, &self.channels);
        let made = made.map_err(Unserved::Config)?;
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
        warn_of_what_stays(&self.config, &config);
        log::apply(&self.config.process.log, &config.process.log);
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
        self.warn(runtime);
        Ok(())
    }

    /// Closes all listeners and asks connections to close.
    pub(crate) fn stop(self) -> Workers {
        if let Some(publishing) = self.publishing {
            publishing.end();
        }
        if let Some(zmq) = self.zmq {
            zmq.end();
        }
        self.workers.stop_over(self.config.process.shutdown_drain);
        self.workers
    }

    /// Opens the listeners that are not open yet.
    fn listen(&mut self, listeners: &[Listener]) -> Result<(), String> {
        let before = self.listeners.len();
        for listener in listeners {
            let gateway = self.gateway.clone();
            let gateway =
                gateway.with_settings(port_settings(listener, &self.config, &self.acceptors));
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
                // Several listeners may have port 0.
                && !self.listeners.iter().take(before).any(is_there)
            {
                let bound = match self.handed_over(listener)? {
                    Some(socket) => {
                        let bound = socket.address().clone();
                        let served = self.workers.serve(socket, &gateway);
                        served.map_err(|error| format!("cannot listen on {address}: {error}"))?;
                        bound
                    }
                    None => {
                        let bound = self.workers.listen(&address, &gateway);
                        bound.map_err(|error| cannot_start(&error))?
                    }
                };
                self.note(listener, bound, None);
            }
        }
        Ok(())
    }

    /// Records the bound address of a listener.
    fn note(&mut self, listener: &Listener, address: ListenAddress, passed: Option<usize>) {
        listening([&address]);
        self.listeners.push(Bound {
            listener: listener.clone(),
            address,
            passed,
        });
    }

    /// Closes the listeners that are not in the configuration any more, and applies the new
    /// settings to the others.
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

    /// Warns of risks in a configuration in force, and starts a task of this runtime that repeats
    /// the warnings of ending rules.
    fn warn(&mut self, runtime: &Handle) {
        warn_of_any_origin(&self.config, self.workers.addresses());
        warn_of_useless_flash_policy(&self.config, &self.sites);
        let bound = self.listeners.iter();
        let bound = bound.map(|bound| (&bound.listener, &bound.address));
        warn_of_plain_text(&self.config, bound);
        #[cfg(feature = "legacy-tls")]
        warn_of_old_tls(&self.config);
        self.warn_of_unverified();
        self.warn_of_unused();
        let sunsets = Sunsets::of(&self.config);
        self.sunsets = Some(AbortOnDropHandle::new(runtime.spawn(sunsets.warn())));
    }

    /// Clients of a passed socket that no listener accepts from would wait for ever.
    fn warn_of_unused(&self) {
        let taken = self.listeners.iter().filter_map(|bound| bound.passed);
        if let Some(names) = self.passed.others(&taken.collect::<Vec<_>>()) {
            warn!(
                "no listener uses the sockets {names} from systemd: their clients wait in vain; the address \
                 `systemd:` uses all sockets"
            );
        }
    }

    /// Without verification, anyone between Polysock and the upstream can read and change
    /// everything.
    fn warn_of_unverified(&self) {
        for route in self.made.open_names() {
            warn!(route, "the certificates of upstreams are not verified");
        }
    }
}
