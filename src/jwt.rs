//! The cryptography of JSON Web Tokens (RFC 7519).

use jsonwebtoken::crypto::{CryptoProvider, aws_lc};

/// Chooses it, before the first key is read: where another crate has it built into `jsonwebtoken` twice, somebody has
/// to. Whoever was first has chosen.
pub(crate) fn provide() {
    if CryptoProvider::try_get_default().is_none() {
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
    }
}
