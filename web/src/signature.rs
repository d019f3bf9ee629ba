//! Verification of the signatures of cookies.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// Base64 in the standard alphabet, with or without padding.
pub(crate) const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);

/// Base64 in the URL-safe alphabet, with or without padding.
pub(crate) const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The algorithm of a signature.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Algorithm {
    /// HMAC with SHA-1.
    Sha1,
    /// HMAC with SHA-256.
    Sha256,
}

/// The keys that a signature can be made with: the current one, and older ones.
#[derive(Clone)]
pub(crate) struct Keys {
    algorithm: Algorithm,
    keys: Arc<[Box<[u8]>]>,
}

impl Keys {
    /// Creates the keys of an algorithm.
    pub(crate) fn new(
        algorithm: Algorithm,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Self {
        let keys = keys.into_iter().map(|key| key.as_ref().into());
        Self {
            algorithm,
            keys: keys.collect(),
        }
    }

    /// Whether one of the keys has made this signature of a text. The signature is in base64.
    pub(crate) fn have_signed(&self, text: &[u8], signature: &[u8], by: &GeneralPurpose) -> bool {
        let Ok(signature) = by.decode(signature) else {
            return false;
        };
        let mut keys = self.keys.iter();
        keys.any(|key| match self.algorithm {
            Algorithm::Sha1 => has_signed::<Hmac<Sha1>>(key, text, &signature),
            Algorithm::Sha256 => has_signed::<Hmac<Sha256>>(key, text, &signature),
        })
    }
}

/// Whether a key has signed a text. The comparison takes constant time.
fn has_signed<M: Mac + KeyInit>(key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    M::new_from_slice(key).is_ok_and(|mac| mac.chain_update(text).verify_slice(signature).is_ok())
}

/// Shows none of the keys.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}
