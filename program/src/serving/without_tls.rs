//! A substitute for the TLS acceptors in a build without the feature `tls`.

use polysock::PortSettings;

use crate::config::Config;
use crate::config::listener::Listener;
use crate::control::Certificates;

/// An empty set of acceptors.
#[derive(Debug, Default)]
pub(crate) struct Acceptors {}

impl Acceptors {
    /// Returns no acceptors.
    ///
    /// # Errors
    ///
    /// A listener has TLS, as a flag may request.
    pub(crate) fn of(config: &Config, _before: &Self) -> Result<Self, String> {
        let mut listeners = config.listeners.iter();
        match listeners.find_map(|listener| listener.tls.as_ref()) {
            None => Ok(Self {}),
            Some(_) => Err("this program was built without its feature `tls`".into()),
        }
    }

    /// Returns no certificates.
    pub(super) fn certificates(&self) -> Certificates {
        Certificates::default()
    }

    /// Returns the port settings unchanged.
    pub(super) fn secure(&self, _listener: &Listener, settings: PortSettings) -> PortSettings {
        settings
    }
}
