//! What rustls needs to know of a port.

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

use super::certificate::Said;
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

/// What rustls needs to know of a port, with and without HTTP/2.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) with_http2: Arc<ServerConfig>,
    pub(super) without_http2: Arc<ServerConfig>,
    /// What clients of old are served with.
    #[cfg(feature = "legacy-tls")]
    pub(super) legacy: Option<LegacyServer>,
    sessions: Sessions,
    /// The certificates that were read.
    chains: Vec<Vec<CertificateDer<'static>>>,
    trusted: Vec<CertificateDer<'static>>,
}

/// Sessions that can be resumed.
#[derive(Clone, Debug)]
struct Sessions {
    tickets: Option<Arc<dyn ProducesTickets>>,
    /// By their ids, for clients of TLS 1.2 that know no tickets.
    by_id: Arc<dyn StoresServerSessions>,
    /// What the tickets of clients of old are encrypted with, the newest last.
    #[cfg(feature = "legacy-tls")]
    keys: Vec<TicketKey>,
}

/// How many sessions are kept by their ids: some 100 bytes each.
const SESSIONS: usize = 1024;

impl Server {
    /// Reads the files that these settings name; blocks. Sessions of the one before go on.
    pub(super) fn read(settings: &ServerSettings, before: Option<&Self>) -> Result<Self, PemError> {
        let files = settings.identities.iter();
        let identities = files.map(|files| Identity::read(&files.certificate, &files.key));
        let identities: Vec<Identity> = identities.collect::<Result<_, _>>()?;
        let (verifier, trusted) = verifier(&settings.clients)?;
        // Whom others have trusted, it does not.
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

    /// Goes through a handshake. One that fails is told to the client, and leaves the transport.
    ///
    /// # Errors
    ///
    /// The handshake fails, or the client goes away.
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

    /// The same with a client of old.
    ///
    /// # Errors
    ///
    /// As of [`accept`](Self::accept).
    #[cfg(feature = "legacy-tls")]
    pub(super) async fn accept_old(
        &self,
        transport: Beginning,
    ) -> Result<(Io, Agreed), (io::Error, Beginning)> {
        match &self.legacy {
            Some(legacy) => legacy.accept(transport).await,
            None => self.accept(transport, false).await,
        }
    }

    /// Whether the certificates are others than those of another.
    pub(super) fn differs(&self, other: &Self) -> bool {
        (&self.chains, &self.trusted) != (&other.chains, &other.trusted)
    }

    /// Whether it is to be read again although its files are the same.
    pub(super) fn is_old(&self) -> bool {
        #[cfg(feature = "legacy-tls")]
        let is_old =
            self.legacy.is_some() && self.sessions.keys.last().is_some_and(TicketKey::is_old);
        #[cfg(not(feature = "legacy-tls"))]
        let is_old = false;
        is_old
    }

    /// The files of its certificates, and when each ends.
    pub(super) fn ends(&self, settings: &ServerSettings) -> Vec<(PathBuf, SystemTime)> {
        let certificates = self.chains.iter().zip(&settings.identities);
        let ends = certificates.filter_map(|(chain, files)| {
            let said = Said::by(chain.first()?)?;
            Some((files.certificate.clone(), said.not_after))
        });
        ends.collect()
    }

    /// Tells of certificates that are of no use now.
    pub(super) fn warn_of_times(&self, settings: &ServerSettings) {
        let now = SystemTime::now();
        for (chain, files) in self.chains.iter().zip(&settings.identities) {
            let said = chain.first().and_then(|der| Said::by(der));
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
            // Fails where the system has no random bytes; then sessions are not resumed.
            tickets: Ticketer::new().ok(),
            by_id: ServerSessionMemoryCache::new(SESSIONS),
            #[cfg(feature = "legacy-tls")]
            keys: Vec::new(),
        }
    }

    /// The same, with a key for tickets that is young enough, and the one before it, whose tickets are still
    /// taken.
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

/// What checks the certificates of clients, and those that are trusted to have signed them.
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
