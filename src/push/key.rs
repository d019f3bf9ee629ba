//! The key shared with web apps: it signs our requests, and they sign theirs with it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};
use thiserror::Error;

use crate::jwt::provide;

/// The validity of a signature.
const VALID: Duration = Duration::from_secs(3600);

/// The period for which a signature is reused.
const SIGNED_FOR: Duration = Duration::from_secs(60);

/// A key that Polysock shares with web apps (JWT with HS256, RFC 7515). Clones share the same key.
#[derive(Clone)]
pub struct GripKey {
    shared: Arc<Shared>,
}

struct Shared {
    issuer: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// The last signature and its time. `None` before the first.
    signed: Mutex<Option<(Instant, Arc<str>)>>,
}

/// The reason why a text is not a key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GripKeyError {
    /// The key is empty.
    #[error("the key is empty")]
    Empty,
    /// The text after `base64:` is not valid Base64.
    #[error("the text after base64: is not base64")]
    Base64,
}

impl GripKey {
    /// Parses a key: its text, or `base64:` and its encoded bytes. Signatures name `issuer` as
    /// their issuer.
    ///
    /// # Errors
    ///
    /// The key is empty, or its Base64 is invalid.
    pub fn parse(text: &str, issuer: impl Into<String>) -> Result<Self, GripKeyError> {
        let decoded;
        let key = match text.strip_prefix("base64:") {
            Some(encoded) => {
                decoded = STANDARD.decode(encoded).map_err(|_| GripKeyError::Base64)?;
                &decoded
            }
            None => text.as_bytes(),
        };
        provide();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp"]);
        validation.validate_aud = false;
        Ok(Self {
            shared: Arc::new(Shared {
                issuer: issuer.into(),
                encoding: EncodingKey::from_secret(key).map_err(|_| GripKeyError::Empty)?,
                decoding: DecodingKey::from_secret(key).map_err(|_| GripKeyError::Empty)?,
                validation,
                signed: Mutex::new(None),
            }),
        })
    }

    /// Returns the value of `Grip-Sig`, which proves to a web app that a request comes from us.
    /// `None` if signing fails.
    pub(crate) fn signature(&self) -> Option<Arc<str>> {
        let now = Instant::now();
        // The slot is consistent between any two operations, so a panic cannot break it.
        let signed = self.shared.signed.lock();
        let mut signed = signed.unwrap_or_else(PoisonError::into_inner);
        if let Some((at, signature)) = &*signed
            && now.duration_since(*at) < SIGNED_FOR
        {
            return Some(Arc::clone(signature));
        }
        let expires = SystemTime::now() + VALID;
        let expires = expires.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let claims = json!({ "iss": self.shared.issuer, "exp": expires.as_secs() });
        let signature = encode(&Header::default(), &claims, &self.shared.encoding).ok()?;
        let signature = Arc::<str>::from(signature);
        *signed = Some((now, Arc::clone(&signature)));
        Some(signature)
    }

    /// Returns true if a token was signed with this key and has not expired.
    pub(crate) fn has_signed(&self, token: &str) -> bool {
        decode::<Value>(token, &self.shared.decoding, &self.shared.validation).is_ok()
    }
}

// The key is a secret and must not be shown.
impl fmt::Debug for GripKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GripKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_accepts_only_signatures_of_its_secret() {
        let key = GripKey::parse("changeme", "polysock").unwrap();
        let signature = key.signature().unwrap();
        assert!(key.has_signed(&signature));
        assert_eq!(key.signature(), Some(signature.clone()), "once a minute");
        let same = GripKey::parse("base64:Y2hhbmdlbWU=", "other").unwrap();
        assert!(same.has_signed(&signature));
        assert!(
            !GripKey::parse("other", "polysock")
                .unwrap()
                .has_signed(&signature)
        );
        for wrong in ["", "a.b.c", signature.rsplit_once('.').unwrap().0] {
            assert!(!key.has_signed(wrong), "{wrong}");
        }
        let past = encode(
            &Header::default(),
            &json!({ "iss": "x", "exp": 1_000_000 }),
            &key.shared.encoding,
        );
        assert!(!key.has_signed(&past.unwrap()));
        let endless = encode(
            &Header::default(),
            &json!({ "iss": "x" }),
            &key.shared.encoding,
        );
        assert!(!key.has_signed(&endless.unwrap()));
    }

    #[test]
    fn a_text_that_is_no_key_is_refused() {
        let error = |text: &str| GripKey::parse(text, "x").unwrap_err();
        assert_eq!(error(""), GripKeyError::Empty);
        assert_eq!(error("base64:"), GripKeyError::Empty);
        assert_eq!(error("base64:%"), GripKeyError::Base64);
    }
}
