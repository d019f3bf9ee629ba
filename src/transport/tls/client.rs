//! TLS on the client side.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ClientConfig;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;

use super::authorities::Authorities;
use super::client_error::ClientTlsError;
use super::client_settings::ClientTlsSettings;
use super::failure::TlsError;
#[cfg(feature = "legacy-tls")]
use super::legacy_client::LegacyClient;
use super::provider;
use super::server_name::ServerName;
use super::verifier::Verifier;
#[cfg(feature = "legacy-tls")]
use super::version::Version;
use crate::transport::io::Io;
use crate::transport::{Alpn, Transport};

/// The TLS configuration of a client. All connections share it, and resume each other's sessions.
/// Clones share it, too.
///
/// By default the authorities of the system are trusted. They are read at the first use.
#[derive(Clone, Default)]
pub struct ClientTls {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    made: Mutex<Option<Arc<BuiltConfig>>>,
    /// The number of times that the configuration was replaced.
    replaced: AtomicU64,
}

/// The configuration that is built from settings.
struct BuiltConfig {
    server_name: Option<ServerName>,
    http: Arc<ClientConfig>,
    raw: Arc<ClientConfig>,
    /// The configuration used instead of these if the minimum version is older than TLS 1.2.
    #[cfg(feature = "legacy-tls")]
    legacy: Option<LegacyClient>,
}

impl ClientTls {
    /// Creates the configuration. If the settings name no authorities, this reads the system's,
    /// which blocks.
    ///
    /// # Errors
    ///
    /// The system has no authorities, or the settings cannot be used.
    pub fn new(settings: &ClientTlsSettings) -> Result<Self, ClientTlsError> {
        let made = BuiltConfig::new(settings)?;
        Ok(Self {
            shared: Arc::new(Shared {
                made: Mutex::new(Some(Arc::new(made))),
                replaced: AtomicU64::new(0),
            }),
        })
    }

    /// Replaces the configuration, for this and its clones, with another's. It applies to new
    /// connections. Ordinary requests open new connections, too.
    pub fn replace(&self, other: &Self) {
        let made = other.lock().clone();
        *self.lock() = made;
        // Afterwards, so that connections opened in between count as old.
        self.shared.replaced.fetch_add(1, Ordering::Release);
    }

    /// Returns the number of times that the configuration was replaced.
    pub(crate) fn number(&self) -> u64 {
        self.shared.replaced.load(Ordering::Acquire)
    }

    /// Performs a TLS handshake with the server `name`, unless the settings give another name.
    /// There is no timeout here.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the transport is dropped with the handshake.
    pub(crate) async fn connect(
        &self,
        transport: impl Transport,
        name: &ServerName,
        alpn: Alpn,
    ) -> Result<Io, TlsError> {
        let made = self.made().await?;
        let ServerName(name) = made.server_name.as_ref().unwrap_or(name);
        #[cfg(feature = "legacy-tls")]
        if let Some(legacy) = &made.legacy {
            return legacy.connect(transport, &name.to_str(), alpn).await;
        }
        let config = match alpn {
            Alpn::Http => &made.http,
            Alpn::Unsaid => &made.raw,
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let connected = connector.connect(name.clone(), transport).await;
        Ok(Io::new(connected.map_err(TlsError::of_handshake)?))
    }

    async fn made(&self) -> Result<Arc<BuiltConfig>, TlsError> {
        if let Some(made) = &*self.lock() {
            return Ok(Arc::clone(made));
        }
        // A disk may be slow, and this thread serves other clients meanwhile.
        let made = spawn_blocking(|| BuiltConfig::new(&ClientTlsSettings::default())).await;
        let made = made.map_err(|error| TlsError::Io(io::Error::other(error)))??;
        Ok(Arc::clone(self.lock().get_or_insert(Arc::new(made))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<BuiltConfig>>> {
        // The value is replaced as a whole, so a panic cannot corrupt it.
        let made = self.shared.made.lock();
        made.unwrap_or_else(PoisonError::into_inner)
    }
}

impl BuiltConfig {
    fn new(settings: &ClientTlsSettings) -> Result<Self, ClientTlsError> {
        let unusable = |error: rustls::Error| ClientTlsError::Unusable(error.to_string());
        let versions = settings.min_version.and_newer();
        let config = ClientConfig::builder_with_provider(provider());
        let config = config.with_protocol_versions(versions).map_err(unusable)?;
        let verifier = Verifier {
            chain: settings.verify.then(|| chain(settings)).transpose()?,
            pins: settings.pins.clone(),
        };
        let config = config.dangerous();
        let config = config.with_custom_certificate_verifier(Arc::new(verifier));
        let mut http = match &settings.identity {
            Some(identity) => {
                let certified = CertifiedKey::clone(&identity.certified);
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            None => config.with_no_client_auth(),
        };
        // Separate sessions: a different server of the same name does not know them.
        let mut raw = http.clone();
        raw.resumption = Resumption::default();
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            server_name: settings.server_name.clone(),
            http: Arc::new(http),
            raw: Arc::new(raw),
            #[cfg(feature = "legacy-tls")]
            legacy: (settings.min_version < Version::Tls12)
                .then(|| LegacyClient::new(settings))
                .transpose()?,
        })
    }
}

fn chain(settings: &ClientTlsSettings) -> Result<Arc<WebPkiServerVerifier>, ClientTlsError> {
    let Authorities { roots, .. } = match &settings.authorities {
        Some(authorities) => authorities.clone(),
        None => Authorities::of_system()?,
    };
    let chain = WebPkiServerVerifier::builder_with_provider(roots, provider());
    let chain = chain.build();
    chain.map_err(|error| ClientTlsError::Unusable(error.to_string()))
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls").field(&self.number()).finish()
    }
}
