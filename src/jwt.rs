//! The cryptography of JSON Web Tokens (RFC 7519).

use jsonwebtoken::crypto::{CryptoProvider, aws_lc};

/// Installs the cryptography before the first key is read, unless a provider is installed already.
/// `jsonwebtoken` cannot choose by itself if another crate enables a second provider.
pub(crate) fn provide() {
    if CryptoProvider::try_get_default().is_none() {
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
    }
}
