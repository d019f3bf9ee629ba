//! Unpredictable bytes.

/// Fills a buffer with unpredictable bytes, for masking keys and nonces (RFC 6455 §10.3).
pub(crate) fn entropy(bytes: &mut [u8]) {
    rand::Rng::fill(&mut rand::rng(), bytes);
}
