//! What stands for TLS in a build that has none.

use polysock::PortSettings;

use crate::config::Config;
use crate::config::listener::Listener;
use crate::control::Certificates;

/// Nothing: a configuration with TLS is none for this build.
#[derive(Debug, Default)]
pub(crate) struct Acceptors {}

impl Acceptors {
    /// There are none.
    ///
    /// # Errors
    ///
    /// A listener is to speak TLS, as a flag may say.
    pub(crate) fn of(config: &Config, _before: &Self) -> Result<Self, String> {
        let mut listeners = config.listeners.iter();
        match listeners.find_map(|listener| listener.tls.as_ref()) {
            None => Ok(Self {}),
            Some(_) => Err("this program was built without TLS, which is its feature `tls`".into()),
        }
    }

    /// There are no certificates.
    pub(super) fn certificates(&self) -> Certificates {
        Certificates::default()
    }

    /// The settings of the port of a listener.
    pub(super) fn secure(&self, _listener: &Listener, settings: PortSettings) -> PortSettings {
        settings
    }
}
