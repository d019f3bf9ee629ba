//! TLS 1.2 and 1.3, by rustls.

mod acceptor;
mod certificate;
mod encryption;
mod identities;
mod identity;
mod pem;
mod server;
mod settings;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use self::acceptor::Acceptor;
pub use self::certificate::CertificateSubject;
pub use self::encryption::Encryption;
pub use self::identity::Identity;
pub use self::pem::PemError;
pub use self::settings::{ClientCertificates, IdentityFiles, ServerSettings, Version};

/// The cryptography of all of it: the suites and groups that aws-lc-rs has by default, which all
/// have forward secrecy and authenticated encryption.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}
