//! Sessions of Express.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock::Visitor;

use super::{json, split_at_last};
use crate::cookie::Reading;
use crate::session::{SessionError, SessionKey, Sessions};
use crate::signature::{Algorithm, Keys, STANDARD};
use crate::store::SessionStore;
use crate::values::Values;

/// Sessions of Express, as the package `express-session` has them: a signed cookie has the id, and a store JSON,
/// for which `connect-redis` puts `sess:` before the id.
#[derive(Clone, Debug)]
pub struct ExpressSessions {
    store: Arc<dyn SessionStore>,
    keys: Keys,
    cookie: Arc<str>,
}

impl ExpressSessions {
    /// Those in this store, by the cookie `connect.sid`, which one of these secrets has signed: the first is
    /// that of today, as in `session({ secret: [ … ] })`.
    pub fn new(
        store: impl SessionStore,
        secrets: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Self {
        Self {
            store: Arc::new(store),
            keys: Keys::new(Algorithm::Sha256, secrets),
            cookie: "connect.sid".into(),
        }
    }

    /// The same with another `name`.
    #[must_use]
    pub fn cookie(self, name: &str) -> Self {
        Self {
            cookie: name.into(),
            ..self
        }
    }
}

impl Sessions for ExpressSessions {
    fn place(&self) -> &str {
        self.store.place()
    }

    fn key(&self, visitor: Visitor<'_>) -> Option<SessionKey> {
        let value = Reading::Node.value(&visitor.values("cookie"), &self.cookie)?;
        let signed = Bytes::copy_from_slice(value.strip_prefix(b"s:")?);
        let (id, signature) = split_at_last(&signed, b'.')?;
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b',');
        if !(1..=256).contains(&id.len()) || !id.iter().all(is_part) {
            return None;
        }
        let is_signed = self.keys.have_signed(&id, &signature, &STANDARD);
        let id = ByteString::try_from(id).ok().filter(|_| is_signed)?;
        Some(SessionKey::Id(id))
    }

    fn read<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<Values>, SessionError>> {
        Box::pin(async move {
            let Some(id) = key.id() else { return Ok(None) };
            let data = self.store.get(id).await?;
            data.map(|data| json(&data)).transpose()
        })
    }
}
