//! The certificate authorities that are trusted.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::client_error::ClientTlsError;
use super::pem::read_certificates;

/// The certificate authorities that are trusted.
#[derive(Clone)]
pub struct Authorities {
    pub(super) roots: Arc<RootCertStore>,
    /// The same authorities, as the certificates that were read.
    #[cfg(feature = "legacy-tls")]
    pub(super) certificates: Arc<[CertificateDer<'static>]>,
}

impl Authorities {
    /// Reads their certificates from a file in PEM form; blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, contains no certificate, or contains one that is no authority's.
    pub fn read(file: impl AsRef<Path>) -> Result<Self, ClientTlsError> {
        let file = file.as_ref();
        let mut roots = RootCertStore::empty();
        let certificates = read_certificates(file)?;
        for (number, certificate) in (1..).zip(&certificates) {
            let added = roots.add(certificate.clone());
            added.map_err(|error| ClientTlsError::Authority {
                path: file.to_owned(),
                number,
                reason: error.to_string(),
            })?;
        }
        Ok(Self::new(roots, &certificates))
    }

    /// Returns the authorities that the system trusts. The first call reads them, which blocks. The
    /// environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` set another location.
    ///
    /// # Errors
    ///
    /// The system has no authorities.
    pub fn of_system() -> Result<Self, ClientTlsError> {
        static SYSTEM: OnceLock<Authorities> = OnceLock::new();
        if let Some(authorities) = SYSTEM.get() {
            return Ok(authorities.clone());
        }
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Some systems have a few certificates that cannot be parsed; the others work without them.
        roots.add_parsable_certificates(found.certs.iter().cloned());
        if roots.is_empty() {
            let error = found.errors.first();
            return Err(ClientTlsError::NoAuthorities {
                reason: error.map(ToString::to_string),
            });
        }
        let authorities = SYSTEM.get_or_init(|| Self::new(roots, &found.certs));
        Ok(authorities.clone())
    }

    #[cfg_attr(not(feature = "legacy-tls"), expect(unused_variables))]
    fn new(roots: RootCertStore, certificates: &[CertificateDer<'static>]) -> Self {
        Self {
            roots: Arc::new(roots),
            #[cfg(feature = "legacy-tls")]
            certificates: Arc::from(certificates),
        }
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.roots.len();
        f.debug_tuple("Authorities").field(&count).finish()
    }
}
