//! Express sessions in cookies.

use std::sync::Arc;

use base64::Engine;
use futures_core::future::BoxFuture;
use polysock::Visitor;

use super::json;
use crate::cookie::Reading;
use crate::session::{SessionError, SessionKey, Sessions};
use crate::signature::{Algorithm, Keys, STANDARD, URL_SAFE};
use crate::values::Values;

/// Sessions in cookies, as the package `cookie-session` of Express writes them: JSON in base64, and
/// a second cookie with the signature, an HMAC with SHA-1.
#[derive(Clone, Debug)]
pub struct CookieSessions {
    keys: Keys,
    cookie: Arc<str>,
}

impl CookieSessions {
    /// Creates the sessions in the cookie `session`, signed with one of these keys, as in
    /// `cookieSession({ keys: [ … ] })`.
    pub fn new(keys: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        Self {
            keys: Keys::new(Algorithm::Sha1, keys),
            cookie: "session".into(),
        }
    }

    /// Sets the cookie's `name`.
    #[must_use]
    pub fn cookie(self, name: &str) -> Self {
        Self {
            cookie: name.into(),
            ..self
        }
    }
}

impl Sessions for CookieSessions {
    fn place(&self) -> &str {
        "cookie-session"
    }

    fn key(&self, visitor: Visitor<'_>) -> Option<SessionKey> {
        let fields = visitor.values("cookie");
        let value = Reading::NodeRaw.value(&fields, &self.cookie)?;
        let signature = Reading::NodeRaw.value(&fields, &format!("{}.sig", self.cookie))?;
        let signed = [self.cookie.as_bytes(), b"=", &value].concat();
        let is_signed = self.keys.have_signed(&signed, &signature, &URL_SAFE);
        is_signed.then(|| SessionKey::Cookie(value.into()))
    }

    fn read<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<Values>, SessionError>> {
        Box::pin(async move {
            let SessionKey::Cookie(value) = key else {
                return Ok(None);
            };
            let data = STANDARD.decode(value);
            let data =
                data.map_err(|_| SessionError::Broken("the data are not base64".to_owned()))?;
            json(&data).map(Some)
        })
    }
}
