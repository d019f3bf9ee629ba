//! What the listeners of a configuration speak TLS with.

use polysock::PortSettings;
use polysock::tls::{Acceptor, ClientCertificates, IdentityFiles, ServerSettings, Version};

use crate::config::Config;
use crate::config::listener::Listener;
use crate::config::tls::{ClientCertificate, Tls};
use crate::flags::tls::MinVersion;

/// What the listeners of a configuration speak TLS with.
#[derive(Debug, Default)]
pub(crate) struct Acceptors(Vec<Acceptor>);

impl Acceptors {
    /// Reads the certificates of a configuration. What was there before for the same files stays, and its
    /// sessions with it; it reads them again.
    ///
    /// # Errors
    ///
    /// A certificate or a key cannot be used. Those from before stay as they were then, as far as they have not
    /// been read again.
    pub(crate) fn of(config: &Config, before: &Self) -> Result<Self, String> {
        let mut acceptors = Self::default();
        for tls in config
            .listeners
            .iter()
            .filter_map(|listener| listener.tls.as_ref())
        {
            if acceptors.find(tls).is_some() {
                continue;
            }
            let acceptor = match before.find(tls) {
                Some(acceptor) => acceptor.read_again().map(|()| acceptor),
                None => Acceptor::new(settings(tls)),
            };
            acceptors
                .0
                .push(acceptor.map_err(|error| error.to_string())?);
        }
        Ok(acceptors)
    }

    /// The settings of the port of a listener, with TLS where it speaks it.
    pub(super) fn secure(&self, listener: &Listener, settings: PortSettings) -> PortSettings {
        PortSettings {
            tls: listener.tls.as_ref().and_then(|tls| self.find(tls)),
            plain: listener.plain,
            ..settings
        }
    }

    fn find(&self, tls: &Tls) -> Option<Acceptor> {
        let settings = settings(tls);
        let mut acceptors = self.0.iter();
        acceptors
            .find(|acceptor| *acceptor.settings() == settings)
            .cloned()
    }
}

fn settings(tls: &Tls) -> ServerSettings {
    let identities = tls.identities().filter_map(|identity| {
        let certificate = identity.certificate.clone()?;
        Some(IdentityFiles {
            key: identity.key.clone().unwrap_or_else(|| certificate.clone()),
            certificate,
        })
    });
    ServerSettings {
        identities: identities.collect(),
        min_version: match tls.min_version {
            MinVersion::Tls12 => Version::Tls12,
            MinVersion::Tls13 => Version::Tls13,
        },
        clients: match (&tls.client_ca, tls.client_certificate) {
            (None, _) => ClientCertificates::None,
            (Some(trusted), Some(ClientCertificate::Optional)) => {
                ClientCertificates::Optional(trusted.clone())
            }
            (Some(trusted), Some(ClientCertificate::Required) | None) => {
                ClientCertificates::Required(trusted.clone())
            }
        },
    }
}
