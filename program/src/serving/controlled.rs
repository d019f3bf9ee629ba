//! The state of a server that the control listener and the service manager report.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use polysock::Pulse;

use super::bus::BusMembership;
use super::listening::inner_address;
use super::server::Server;
use super::settings::connection_limits;
use crate::control::{ControlSettings, Facts, InitialState, Token};
use crate::spans::Spans;

impl Server {
    /// Returns the settings of the control listener, or `None` if there is none.
    pub(crate) fn control(&self) -> Result<Option<ControlSettings>, String> {
        let control = &self.config.control;
        let Some(address) = &control.listen else {
            return Ok(None);
        };
        let address = inner_address(address, "control")?;
        Ok(Some(ControlSettings {
            address,
            token: control.token.as_deref().map(Token::read).transpose()?,
            hosts: control.hosts.clone(),
            census: control.census.clone(),
        }))
    }

    /// Takes the exporter of spans, if there is one. It must be finished after the last connection
    /// has closed.
    pub(crate) fn take_spans(&mut self) -> Option<Spans> {
        self.spans.take()
    }

    /// Takes the membership in a group of servers, if there is one. The caller leaves it when the
    /// connections have ended.
    pub(crate) fn take_joined(&mut self) -> Option<BusMembership> {
        self.joined.take()
    }

    /// Returns the state that a control listener starts with.
    pub(crate) fn beginning(&self) -> InitialState {
        let process = &self.config.process;
        let threads = process.workers.or(available_parallelism().ok());
        InitialState {
            registry: self.registry.clone(),
            budget: self.budget.clone(),
            pulse: self.pulse(),
            max_connections: connection_limits(&self.config).connections,
            workers: threads.map_or(1, NonZeroUsize::get),
            ready_while_draining: self.config.control.ready_while_draining,
            node: self.joined.as_ref().map(BusMembership::watch),
            facts: self.facts(),
        }
    }

    /// Returns the facts that a reload changes.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            listeners: self.workers.addresses().map(ToString::to_string).collect(),
            routes: self.made.count(),
            config: self.config.to_string(),
            certificates: self.acceptors.certificates(),
        }
    }

    /// Returns the routes and addresses in one line, for the service manager.
    pub(crate) fn status(&self) -> String {
        let addresses = self.workers.addresses().map(ToString::to_string);
        let addresses: Vec<_> = addresses.collect();
        let routes = match self.made.count() {
            1 => "1 route".to_owned(),
            count => format!("{count} routes"),
        };
        format!("serving {routes} on {}", addresses.join(", "))
    }

    /// Returns the liveness check of the worker threads.
    pub(crate) fn pulse(&self) -> Pulse {
        self.workers.pulse()
    }

    /// The time that connections may take to close at shutdown.
    pub(crate) fn shutdown_timeout(&self) -> Duration {
        self.config.process.shutdown_timeout
    }
}
