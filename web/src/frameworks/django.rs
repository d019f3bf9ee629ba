//! Django sessions.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use bytes::Bytes;
use bytestring::ByteString;
use flate2::read::ZlibDecoder;
use futures_core::future::BoxFuture;
use polysock::Visitor;
use sha2::{Digest, Sha256};

use super::{MAX_JSON, json, split_at_last};
use crate::cookie::Reading;
use crate::session::{SessionError, SessionKey, Sessions};
use crate::signature::{Algorithm, Keys, URL_SAFE};
use crate::store::SessionStore;
use crate::values::Values;

/// Django sessions, in cookies (`backends.signed_cookies`) or in a database (`backends.db`), as
/// JSON.
#[derive(Clone, Debug)]
pub struct DjangoSessions {
    kept: SessionStorage,
    keys: Keys,
    cookie: Arc<str>,
}

#[derive(Clone, Debug)]
enum SessionStorage {
    /// The session is in the cookie. The duration is its lifetime.
    Cookie(Duration),
    Store(Arc<dyn SessionStore>),
}

/// The salt of the signatures of cookies.
const OF_COOKIES: &str = "django.contrib.sessions.backends.signed_cookies";

/// The salt of the signatures of data in a database.
const OF_DATABASES: &str = "django.contrib.sessions.SessionStore";

impl DjangoSessions {
    /// Creates the sessions in the cookie `sessionid`, signed with one of these keys: `SECRET_KEY`,
    /// and `SECRET_KEY_FALLBACKS`. A session expires two weeks after it was written.
    pub fn signed_cookies(keys: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        Self {
            kept: SessionStorage::Cookie(Duration::from_secs(14 * 24 * 3600)),
            keys: salted(OF_COOKIES, keys),
            cookie: "sessionid".into(),
        }
    }

    /// Creates the sessions in this store, with the id in the cookie `sessionid` and the data
    /// signed with one of these keys.
    pub fn stored(
        store: impl SessionStore,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Self {
        Self {
            kept: SessionStorage::Store(Arc::new(store)),
            keys: salted(OF_DATABASES, keys),
            cookie: "sessionid".into(),
        }
    }

    /// Sets `SESSION_COOKIE_NAME`.
    #[must_use]
    pub fn cookie(self, name: &str) -> Self {
        Self {
            cookie: name.into(),
            ..self
        }
    }

    /// Sets `SESSION_COOKIE_AGE`. A store ignores the setting: the database contains the time at
    /// which a session expires.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self {
            kept: match self.kept {
                SessionStorage::Cookie(_) => SessionStorage::Cookie(lifetime),
                kept @ SessionStorage::Store(_) => kept,
            },
            ..self
        }
    }

    /// Parses `PAYLOAD:TIME:SIGNATURE`. `None` if none of the keys has signed it.
    fn signed(&self, text: &Bytes) -> Option<Signed> {
        let (signed, signature) = split_at_last(text, b':')?;
        if !self.keys.have_signed(&signed, &signature, &URL_SAFE) {
            return None;
        }
        let (payload, time) = split_at_last(&signed, b':')?;
        let time = base62(&time)?;
        Some(Signed { payload, time })
    }
}

impl Sessions for DjangoSessions {
    fn place(&self) -> &str {
        match &self.kept {
            SessionStorage::Cookie(_) => "django",
            SessionStorage::Store(store) => store.place(),
        }
    }

    fn key(&self, visitor: Visitor<'_>) -> Option<SessionKey> {
        let value = Reading::Django.value(&visitor.values("cookie"), &self.cookie)?;
        match self.kept {
            SessionStorage::Cookie(_) => {
                let value = Bytes::from(value);
                self.signed(&value).map(|_| SessionKey::Cookie(value))
            }
            SessionStorage::Store(_) => {
                let is_id =
                    (8..=256).contains(&value.len()) && value.iter().all(u8::is_ascii_alphanumeric);
                let id = String::from_utf8(value).ok().filter(|_| is_id)?;
                Some(SessionKey::Id(ByteString::from(id)))
            }
        }
    }

    fn read<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<Values>, SessionError>> {
        Box::pin(async move {
            match (&self.kept, key) {
                (SessionStorage::Cookie(lifetime), SessionKey::Cookie(value)) => {
                    let signed = self.signed(value);
                    let signed = signed.filter(|signed| signed.age() <= *lifetime);
                    signed.map(|signed| signed.values()).transpose()
                }
                (SessionStorage::Store(store), SessionKey::Id(id)) => {
                    let Some(data) = store.get(id).await? else {
                        return Ok(None);
                    };
                    let signed = self.signed(&data).ok_or_else(|| {
                        let text = "the data are signed with none of the keys";
                        SessionError::Broken(text.to_owned())
                    });
                    signed?.values().map(Some)
                }
                _ => Ok(None),
            }
        })
    }
}

/// Signed data, and the time of the signature.
struct Signed {
    payload: Bytes,
    /// The time in seconds since 1970.
    time: u64,
}

impl Signed {
    fn age(&self) -> Duration {
        let signed = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.time));
        // A time in the future counts as now.
        let age = signed.and_then(|signed| SystemTime::now().duration_since(signed).ok());
        age.unwrap_or_default()
    }

    fn values(&self) -> Result<Values, SessionError> {
        let broken = |text: &str| SessionError::Broken(text.to_owned());
        let (payload, is_compressed) = match self.payload.strip_prefix(b".") {
            Some(payload) => (payload, true),
            None => (&*self.payload, false),
        };
        let data = URL_SAFE
            .decode(payload)
            .map_err(|_| broken("the data are not base64"))?;
        if !is_compressed {
            return json(&data);
        }
        // One byte over the limit shows that the data is too long.
        let max = u64::try_from(MAX_JSON + 1).unwrap_or(u64::MAX);
        let mut inflated = Vec::new();
        let read = ZlibDecoder::new(&*data)
            .take(max)
            .read_to_end(&mut inflated);
        read.map_err(|_| broken("the data are not zlib"))?;
        json(&inflated)
    }
}

/// Derives the keys for signatures of a kind: hashes of the salt and a secret.
fn salted(salt: &str, keys: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Keys {
    let keys = keys.into_iter().map(|key| {
        let salted = [salt.as_bytes(), b"signer", key.as_ref()].concat();
        Sha256::digest(&salted)
    });
    Keys::new(Algorithm::Sha256, keys)
}

/// Parses a number whose digits are 0 to 9, A to Z and a to z.
fn base62(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        number.checked_mul(62)?.checked_add(digit.into())
    })
}
