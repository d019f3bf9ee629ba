//! Sessions of PHP and of frameworks that use them.

use std::sync::Arc;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock::Visitor;

use crate::cookie::Reading;
use crate::php::Serializer;
use crate::session::{SessionError, SessionKey, Sessions};
use crate::store::SessionStore;
use crate::values::Values;

/// Sessions of PHP, and of Symfony: a cookie contains the id, and a store the data.
///
/// The cookie is parsed as PHP does, and an id is looked up only if PHP could have created it: 1 to
/// 256 letters, digits, `,` and `-`.
#[derive(Clone, Debug)]
pub struct PhpSessions {
    store: Arc<dyn SessionStore>,
    serializer: Serializer,
    cookie: Arc<str>,
}

impl PhpSessions {
    /// Creates the sessions in this store, with the id in the cookie `PHPSESSID`, written by the
    /// serializer `php`.
    pub fn new(store: impl SessionStore) -> Self {
        Self {
            store: Arc::new(store),
            serializer: Serializer::default(),
            cookie: "PHPSESSID".into(),
        }
    }

    /// Sets `session.serialize_handler`.
    #[must_use]
    pub fn serializer(self, serializer: Serializer) -> Self {
        Self { serializer, ..self }
    }

    /// Sets `session.name`.
    #[must_use]
    pub fn cookie(self, name: &str) -> Self {
        Self {
            cookie: name.into(),
            ..self
        }
    }
}

impl Sessions for PhpSessions {
    fn place(&self) -> &str {
        self.store.place()
    }

    fn key(&self, visitor: Visitor<'_>) -> Option<SessionKey> {
        let id = Reading::Php.value(&visitor.values("cookie"), &self.cookie)?;
        let id = String::from_utf8(id).ok()?;
        is_id(&id).then(|| SessionKey::Id(ByteString::from(id)))
    }

    fn read<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<Values>, SessionError>> {
        Box::pin(async move {
            let Some(id) = key.id() else { return Ok(None) };
            let data = self.store.get(id).await?;
            let values = data.map(|data| Values::php(&data, self.serializer));
            Ok(values.transpose()?)
        })
    }
}

/// Whether the text can be the id of a session (`php_session_valid_key`).
fn is_id(id: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'-');
    (1..=256).contains(&id.len()) && id.bytes().all(is_part)
}
