//! What the listeners of a configuration speak TLS with.

use std::sync::Arc;

use polysock::PortSettings;
use polysock::tls::{
    Acceptor, ClientCertificates, IdentityFiles, NetworkVersion, ServerSettings, Version,
};

use crate::config::Config;
use crate::config::listener::Listener;
use crate::config::tls::{ClientCertificate, Identity, Tls};
use crate::control::Certificates;

/// What the listeners of a configuration speak TLS with.
#[derive(Debug, Default)]
pub(crate) struct Acceptors {
    acceptors: Vec<Acceptor>,
    /// The oldest version that a route takes, where one says so.
    site_version: Option<Version>,
}

impl Acceptors {
    /// Reads the certificates of a configuration. What was there before for the same files stays, and its
    /// sessions with it; it reads them again.
    ///
    /// # Errors
    ///
    /// A certificate or a key cannot be used. Those from before stay as they were then, as far as they have not
    /// been read again.
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

    /// The settings of the port of a listener, with TLS where it speaks it.
    pub(super) fn secure(&self, listener: &Listener, settings: PortSettings) -> PortSettings {
        PortSettings {
            tls: listener.tls.as_ref().and_then(|tls| self.find(tls)),
            plain: listener.plain,
            ..settings
        }
    }

    /// Tells when each certificate ends.
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
