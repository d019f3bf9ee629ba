//! The authorities whose signature under a certificate counts.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;

use super::client_error::ClientTlsError;
use super::pem::read_certificates;

/// The authorities whose signature under a certificate counts.
#[derive(Clone)]
pub struct Authorities {
    pub(super) roots: Arc<RootCertStore>,
}

impl Authorities {
    /// Reads their certificates from a file in PEM form; blocks.
    ///
    /// # Errors
    ///
    /// It cannot be read, has none, or one that is no authority's.
    pub fn read(file: impl AsRef<Path>) -> Result<Self, ClientTlsError> {
        let file = file.as_ref();
        let mut roots = RootCertStore::empty();
        for (number, certificate) in (1..).zip(read_certificates(file)?) {
            let added = roots.add(certificate);
            added.map_err(|error| ClientTlsError::Authority {
                path: file.to_owned(),
                number,
                reason: error.to_string(),
            })?;
        }
        let roots = Arc::new(roots);
        Ok(Self { roots })
    }

    /// Those that the system trusts. They are read once; that blocks. The environment variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` say where they are, where that is elsewhere.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn of_system() -> Result<Self, ClientTlsError> {
        static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
        if let Some(roots) = ROOTS.get() {
            let roots = Arc::clone(roots);
            return Ok(Self { roots });
        }
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Some systems have a few that are too odd to be read, and the others are as good without them.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let error = found.errors.first();
            return Err(ClientTlsError::NoAuthorities {
                reason: error.map(ToString::to_string),
            });
        }
        let roots = Arc::clone(ROOTS.get_or_init(|| Arc::new(roots)));
        Ok(Self { roots })
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.roots.len();
        f.debug_tuple("Authorities").field(&count).finish()
    }
}
