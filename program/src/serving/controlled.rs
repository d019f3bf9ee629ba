//! What others are told of a server: a control listener, a service manager.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use polysock::Pulse;

use super::bus::Joined;
use super::listening::inner_address;
use super::server::Server;
use super::settings::connection_limits;
use crate::control::{Beginning, ControlSettings, Facts, Token};
use crate::spans::Spans;

impl Server {
    /// What the control listener is told, if there is to be one.
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

    /// The spans that a collector of traces is sent, if there is one, to be finished behind the last connection.
    pub(crate) fn take_spans(&mut self) -> Option<Spans> {
        self.spans.take()
    }

    /// What joins it to other servers, which is left when the connections have ended.
    pub(crate) fn take_joined(&mut self) -> Option<Joined> {
        self.joined.take()
    }

    /// What a control listener begins with.
    pub(crate) fn beginning(&self) -> Beginning {
        let process = &self.config.process;
        let threads = process.workers.or(available_parallelism().ok());
        Beginning {
            registry: self.registry.clone(),
            budget: self.budget.clone(),
            pulse: self.pulse(),
            max_connections: connection_limits(&self.config).connections,
            workers: threads.map_or(1, NonZeroUsize::get),
            ready_while_draining: self.config.control.ready_while_draining,
            node: self.joined.as_ref().map(Joined::watch),
            facts: self.facts(),
        }
    }

    /// What another configuration changes.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            listeners: self.workers.addresses().map(ToString::to_string).collect(),
            routes: self.made.count(),
            config: self.config.to_string(),
            certificates: self.acceptors.certificates(),
        }
    }

    /// What it serves, and where, in a line.
    pub(crate) fn status(&self) -> String {
        let addresses = self.workers.addresses().map(ToString::to_string);
        let addresses: Vec<_> = addresses.collect();
        let routes = match self.made.count() {
            1 => "1 route".to_owned(),
            count => format!("{count} routes"),
        };
        format!("serving {routes} on {}", addresses.join(", "))
    }

    /// Whether the threads that serve go through their work.
    pub(crate) fn pulse(&self) -> Pulse {
        self.workers.pulse()
    }

    /// How long connections may take to close then.
    pub(crate) fn shutdown_timeout(&self) -> Duration {
        self.config.process.shutdown_timeout
    }
}
