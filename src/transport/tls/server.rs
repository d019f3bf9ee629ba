//! The rustls configuration of a port.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    NoClientAuth, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
    WebPkiClientVerifier,
};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::certificate::CertificateFields;
use super::choice::Beginning;
use super::encryption::Agreed;
use super::identities::Identities;
use super::identity::Identity;
#[cfg(feature = "legacy-tls")]
use super::legacy::{LegacyServer, TicketKey};
use super::pem::{PemError, read_certificates};
use super::provider;
use super::settings::{ClientCertificates, ServerSettings};
use crate::transport::io::Io;

/// The rustls configuration of a port, with and without HTTP/2.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) with_http2: Arc<ServerConfig>,
    pub(super) without_http2: Arc<ServerConfig>,
    /// The configuration for old clients; `None` if old clients are not supported.
    #[cfg(feature = "legacy-tls")]
    pub(super) legacy: Option<LegacyServer>,
    sessions: Sessions,
    /// The certificate chains that were read.
    chains: Vec<Vec<CertificateDer<'static>>>,
    trusted: Vec<CertificateDer<'static>>,
}

/// The state of sessions that can be resumed.
#[derive(Clone, Debug)]
struct Sessions {
    tickets: Option<Arc<dyn ProducesTickets>>,
    /// Sessions by id, for clients of TLS 1.2 without tickets.
    by_id: Arc<dyn StoresServerSessions>,
    /// The keys for tickets of old clients, the newest last.
    #[cfg(feature = "legacy-tls")]
    keys: Vec<TicketKey>,
}

/// The number of sessions kept by id, of about 100 bytes each.
const SESSIONS: usize = 1024;

impl Server {
    /// Reads the files that the settings name; blocks. Sessions of `before` can still be resumed.
    pub(super) fn read(settings: &ServerSettings, before: Option<&Self>) -> Result<Self, PemError> {
        let files = settings.identities.iter();
        let identities = files.map(|files| Identity::read(&files.certificate, &files.key));
        let identities: Vec<Identity> = identities.collect::<Result<_, _>>()?;
        let (verifier, trusted) = verifier(&settings.clients)?;
        // Sessions authenticated by other authorities must not be resumed.
        let same = before.filter(|before| before.trusted == trusted);
        let sessions = same.map_or_else(Sessions::new, |same| same.sessions.clone());
        #[cfg(feature = "legacy-tls")]
        let sessions = sessions.with_fresh_key();
        let versions = settings.oldest_version().and_newer();
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("the provider has suites of each version");
        let mut config = builder
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Identities::new(&identities)));
        config.session_storage = Arc::clone(&sessions.by_id);
        if let Some(tickets) = &sessions.tickets {
            config.ticketer = Arc::clone(tickets);
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut with_http2 = config.clone();
        with_http2.alpn_protocols.insert(0, b"h2".to_vec());
        let chains = identities
            .iter()
            .map(|identity| identity.certified.cert.clone());
        Ok(Self {
            with_http2: Arc::new(with_http2),
            without_http2: Arc::new(config),
            #[cfg(feature = "legacy-tls")]
            legacy: settings
                .takes_old_of_any()
                .then(|| LegacyServer::read(settings, &sessions.keys))
                .transpose()?,
            sessions,
            chains: chains.collect(),
            trusted,
        })
    }

    /// Performs a handshake. If it fails, the client is notified, and the transport is returned.
    ///
    /// # Errors
    ///
    /// The handshake fails, or the client disconnects.
    pub(super) async fn accept(
        &self,
        transport: Beginning,
        http2: bool,
    ) -> Result<(Io, Agreed), (io::Error, Beginning)> {
        let config = match http2 {
            true => &self.with_http2,
            false => &self.without_http2,
        };
        let accept = TlsAcceptor::from(Arc::clone(config)).accept(transport);
        let stream = accept.into_fallible().await?;
        let (_, connection) = stream.get_ref();
        let agreed = Agreed::of(connection, connection.server_name());
        Ok((Io::new(stream), agreed))
    }

    /// The same as [`accept`](Self::accept), for an old client.
    ///
    /// # Errors
    ///
    /// The same as for [`accept`](Self::accept).
    #[cfg(feature = "legacy-tls")]
    pub(super) async fn accept_legacy(
        &self,
        transport: Beginning,
    ) -> Result<(Io, Agreed), (io::Error, Beginning)> {
        match &self.legacy {
            Some(legacy) => legacy.accept(transport).await,
            None => self.accept(transport, false).await,
        }
    }

    /// True if the certificates differ from another's.
    pub(super) fn differs(&self, other: &Self) -> bool {
        (&self.chains, &self.trusted) != (&other.chains, &other.trusted)
    }

    /// True if the files must be read again although they are unchanged.
    pub(super) fn is_old(&self) -> bool {
        #[cfg(feature = "legacy-tls")]
        let is_old =
            self.legacy.is_some() && self.sessions.keys.last().is_some_and(TicketKey::is_old);
        #[cfg(not(feature = "legacy-tls"))]
        let is_old = false;
        is_old
    }

    /// Returns the files of the certificates, and when each expires.
    pub(super) fn ends(&self, settings: &ServerSettings) -> Vec<(PathBuf, SystemTime)> {
        let certificates = self.chains.iter().zip(&settings.identities);
        let ends = certificates.filter_map(|(chain, files)| {
            let said = CertificateFields::by(chain.first()?)?;
            Some((files.certificate.clone(), said.not_after))
        });
        ends.collect()
    }

    /// Logs certificates that have expired or are not valid yet.
    pub(super) fn warn_of_times(&self, settings: &ServerSettings) {
        let now = SystemTime::now();
        for (chain, files) in self.chains.iter().zip(&settings.identities) {
            let said = chain.first().and_then(|der| CertificateFields::by(der));
            let file = files.certificate.display();
            match said {
                Some(said) if said.not_after < now => {
                    warn!("the certificate in {file} has expired");
                }
                Some(said) if said.not_before > now => {
                    warn!("the certificate in {file} is not valid yet");
                }
                _ => {}
            }
        }
    }
}

impl Sessions {
    fn new() -> Self {
        Self {
            // This fails if the system has no random bytes. Sessions then have no tickets.
            tickets: Ticketer::new().ok(),
            by_id: ServerSessionMemoryCache::new(SESSIONS),
            #[cfg(feature = "legacy-tls")]
            keys: Vec::new(),
        }
    }

    /// Adds a key for tickets if the newest is too old. The previous key is kept, as its tickets
    /// are still accepted.
    #[cfg(feature = "legacy-tls")]
    fn with_fresh_key(mut self) -> Self {
        if self.keys.last().is_none_or(TicketKey::is_old) {
            self.keys.push(TicketKey::new());
            let kept = self.keys.len().min(2);
            self.keys.drain(..self.keys.len() - kept);
        }
        self
    }
}

/// Returns the verifier of client certificates, and the authorities that it trusts.
fn verifier(
    clients: &ClientCertificates,
) -> Result<(Arc<dyn ClientCertVerifier>, Vec<CertificateDer<'static>>), PemError> {
    let Some(path) = clients.trusted() else {
        return Ok((Arc::new(NoClientAuth), Vec::new()));
    };
    let trusted = read_certificates(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in &trusted {
        let added = roots.add(certificate.clone());
        added.map_err(|error| invalid(path, &error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = match clients {
        ClientCertificates::Required(_) => builder,
        _ => builder.allow_unauthenticated(),
    };
    let verifier = builder.build().map_err(|error| invalid(path, &error))?;
    Ok((verifier, trusted))
}

fn invalid(path: &Path, error: &dyn std::fmt::Display) -> PemError {
    PemError::InvalidCertificate {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
