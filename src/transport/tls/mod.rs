//! TLS 1.2 and 1.3, by rustls, and older versions and suites, by s2n-tls.

mod acceptor;
mod authorities;
mod certificate;
mod choice;
mod client;
mod client_error;
mod client_settings;
mod encryption;
mod failure;
mod identities;
mod identity;
mod key_pin;
#[cfg(feature = "legacy-tls")]
mod legacy;
#[cfg(feature = "legacy-tls")]
mod legacy_client;
mod pem;
mod server;
mod server_name;
mod settings;
mod verifier;
mod version;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use self::acceptor::Acceptor;
pub use self::authorities::Authorities;
pub use self::certificate::CertificateSubject;
pub use self::client::ClientTls;
pub use self::client_error::ClientTlsError;
pub use self::client_settings::ClientTlsSettings;
pub use self::encryption::Encryption;
pub use self::failure::TlsError;
pub use self::identity::Identity;
pub use self::key_pin::{KeyPin, KeyPinError};
pub use self::pem::PemError;
pub use self::server_name::{ServerName, ServerNameError};
pub use self::settings::{ClientCertificates, IdentityFiles, NetworkVersion, ServerSettings};
pub use self::version::Version;

/// Returns the cryptography for rustls: the default suites and groups of aws-lc-rs, which all have
/// forward secrecy and authenticated encryption.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}
