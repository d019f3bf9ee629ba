//! The TLS acceptors of the listeners of a configuration.

use std::sync::Arc;

use polysock::PortSettings;
use polysock::tls::{
    Acceptor, ClientCertificates, IdentityFiles, NetworkVersion, ServerSettings, Version,
};

use crate::config::Config;
use crate::config::listener::Listener;
use crate::config::tls::{ClientCertificate, Identity, Tls};
use crate::control::Certificates;

/// The TLS acceptors of the listeners of a configuration.
#[derive(Debug, Default)]
pub(crate) struct Acceptors {
    acceptors: Vec<Acceptor>,
    /// The oldest TLS version that a route sets as its minimum; `None` if no route sets one.
    site_version: Option<Version>,
}

impl Acceptors {
    /// Reads the certificates of a configuration. An acceptor of `before` with the same settings is
    /// kept, with its TLS sessions, and reads its files again.
    ///
    /// # Errors
    ///
    /// A certificate or a key cannot be used. The acceptors of `before` keep their old
    /// certificates, except those that have already been read again.
    pub(crate) fn of(config: &Config, before: &Self) -> Result<Self, String> {
        let versions = config
            .routes
            .iter()
            .filter_map(|route| route.tls_min_version);
        let mut acceptors = Self {
            acceptors: Vec::new(),
            site_version: versions.min(),
        };
        for tls in config
            .listeners
            .iter()
            .filter_map(|listener| listener.tls.as_ref())
        {
            if acceptors.find(tls).is_some() {
                continue;
            }
            let settings = acceptors.settings(tls);
            let acceptor = match before.of_settings(&settings) {
                Some(acceptor) => acceptor.read_again().map(|()| acceptor),
                None => Acceptor::new(settings),
            };
            acceptors
                .acceptors
                .push(acceptor.map_err(|error| error.to_string())?);
        }
        Ok(acceptors)
    }

    /// Returns the port settings of a listener, with TLS if the listener speaks it.
    pub(super) fn secure(&self, listener: &Listener, settings: PortSettings) -> PortSettings {
        PortSettings {
            tls: listener.tls.as_ref().and_then(|tls| self.find(tls)),
            plain: listener.plain,
            ..settings
        }
    }

    /// Returns a source of the expiry time of each certificate.
    pub(super) fn certificates(&self) -> Certificates {
        let acceptors = self.acceptors.clone();
        Certificates(Arc::new(move || {
            let ends = acceptors.iter().flat_map(Acceptor::ends);
            ends.map(|(file, ends)| (file.display().to_string(), ends))
                .collect()
        }))
    }

    fn find(&self, tls: &Tls) -> Option<Acceptor> {
        self.of_settings(&self.settings(tls))
    }

    fn of_settings(&self, settings: &ServerSettings) -> Option<Acceptor> {
        let mut acceptors = self.acceptors.iter();
        acceptors
            .find(|acceptor| acceptor.settings() == settings)
            .cloned()
    }

    fn settings(&self, tls: &Tls) -> ServerSettings {
        let networks = tls.networks.iter().map(|network| NetworkVersion {
            networks: network.networks.clone(),
            min_version: network.min_version,
        });
        ServerSettings {
            identities: tls.identities().filter_map(files).collect(),
            min_version: tls.min_version,
            networks: networks.collect(),
            site_version: self.site_version,
            #[cfg(feature = "legacy-tls")]
            legacy: tls.legacy.as_ref().and_then(files),
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
}

fn files(identity: &Identity) -> Option<IdentityFiles> {
    let certificate = identity.certificate.clone()?;
    Some(IdentityFiles {
        key: identity.key.clone().unwrap_or_else(|| certificate.clone()),
        certificate,
    })
}
