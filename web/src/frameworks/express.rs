//! Express sessions in stores.

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

/// Sessions of Express, as the package `express-session` keeps them: a signed cookie contains the
/// id, and a store contains JSON. `connect-redis` puts `sess:` before the id.
#[derive(Clone, Debug)]
pub struct ExpressSessions {
    store: Arc<dyn SessionStore>,
    keys: Keys,
    cookie: Arc<str>,
}

impl ExpressSessions {
    /// Creates the sessions in this store, with the id in the cookie `connect.sid`, signed with one
    /// of these secrets. The first is the current one, as in `session({ secret: [ … ] })`.
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

    /// Sets the cookie's `name`.
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
