//! Who has signed a cookie.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

pub(crate) use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY as SHA1, HMAC_SHA256 as SHA256};

/// Base64, with or without padding.
pub(crate) const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);

/// The same in the alphabet of URLs.
pub(crate) const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Keys, any of which a signature may be made with: that of today, and those before it.
#[derive(Clone)]
pub(crate) struct Keys {
    keys: Arc<[hmac::Key]>,
}

impl Keys {
    /// Those of an algorithm, of these bytes.
    pub(crate) fn new(
        algorithm: hmac::Algorithm,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Self {
        let keys = keys.into_iter();
        let keys = keys.map(|key| hmac::Key::new(algorithm, key.as_ref()));
        Self {
            keys: keys.collect(),
        }
    }

    /// Whether a text has this signature, which is written in base64.
    pub(crate) fn have_signed(&self, text: &[u8], signature: &[u8], by: &GeneralPurpose) -> bool {
        let Ok(signature) = by.decode(signature) else {
            return false;
        };
        let mut keys = self.keys.iter();
        keys.any(|key| hmac::verify(key, text, &signature).is_ok())
    }
}

/// Nobody sees a key.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}
