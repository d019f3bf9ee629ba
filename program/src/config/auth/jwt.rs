//! Authentication by JWT.

use std::path::PathBuf;
use std::time::Duration;

use polysock::auth::{BearerSettings, Realm, TokenSource};
use serde_json::{Value, json};

use super::words::{REALM, realm, url};
use crate::config::form::{Form, List, Maybe, Switch, Word, quoted};
use crate::config::key::Key;
use crate::config::node::Node;
use crate::config::reader::Reader;
use crate::config::words::{Place, duration, text, zero_duration};

/// The settings of authentication by JWT.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Jwt {
    /// The file of the public keys.
    pub(crate) key: Option<PathBuf>,
    pub(crate) secret: Option<PathBuf>,
    pub(crate) jwks: Option<Jwks>,
    pub(crate) refresh: Duration,
    pub(crate) from: Vec<TokenSource>,
    pub(crate) issuer: Vec<String>,
    pub(crate) audience: Vec<String>,
    pub(crate) leeway: Duration,
    pub(crate) user: String,
    pub(crate) end_connections: bool,
    pub(crate) realm: Realm,
}

/// The location of a JWK set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Jwks {
    File(PathBuf),
    Url(String),
}

impl Default for Jwt {
    fn default() -> Self {
        let BearerSettings {
            realm,
            sources,
            issuers,
            audiences,
            leeway,
            user,
            ends_connections,
        } = BearerSettings::default();
        Self {
            key: None,
            secret: None,
            jwks: None,
            refresh: Duration::from_secs(600),
            from: sources,
            issuer: issuers,
            audience: audiences,
            leeway,
            user,
            end_connections: ends_connections,
            realm,
        }
    }
}

/// The keys of [`Jwt`].
pub(super) fn keys() -> Vec<Key<Jwt>> {
    vec![
        Key::new(
            "key",
            Maybe(Place),
            |jwt: &mut Jwt| &mut jwt.key,
            "A PEM file with public keys.",
        ),
        Key::new(
            "secret",
            Maybe(Place),
            |jwt: &mut Jwt| &mut jwt.secret,
            "A file with a secret of at least 32 bytes.",
        ),
        Key::new(
            "jwks",
            Maybe(JwksWord),
            |jwt: &mut Jwt| &mut jwt.jwks,
            "A JWK set: a file, or a URL.",
        ),
        Key::new(
            "refresh",
            duration(),
            |jwt| &mut jwt.refresh,
            "The interval at which the JWK set of a URL is fetched again.",
        ),
        Key::new(
            "from",
            List(source()),
            |jwt| &mut jwt.from,
            "The places that may contain a token: \"header\", \"cookie:NAME\", \"query:NAME\", \"subprotocol:NAME\".",
        ),
        Key::new(
            "issuer",
            List(text()),
            |jwt| &mut jwt.issuer,
            "The accepted issuers (`iss`). Empty: any.",
        ),
        Key::new(
            "audience",
            List(text()),
            |jwt| &mut jwt.audience,
            "The accepted audiences (`aud`). Empty: tokens that name an audience are refused.",
        ),
        Key::new(
            "leeway",
            zero_duration(),
            |jwt| &mut jwt.leeway,
            "The allowed difference between clocks.",
        ),
        Key::new(
            "user",
            text(),
            |jwt| &mut jwt.user,
            "The claim that contains the user.",
        ),
        Key::new(
            "end_connections",
            Switch,
            |jwt| &mut jwt.end_connections,
            "Whether a connection is closed when its token expires.",
        ),
        Key::new("realm", realm(), |jwt| &mut jwt.realm, REALM),
    ]
}

fn source() -> Word<TokenSource> {
    Word {
        read: |text| {
            let source = text.parse();
            source.map_err(|error: polysock::auth::TokenSourceError| error.to_string())
        },
        write: |source| Some(quoted(&source.to_string())),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of a JWK set's location: a file or a URL.
struct JwksWord;

impl Form<Jwks> for JwksWord {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Jwks> {
        match node.written() {
            Some(word) if word.contains("://") => url().parse(node, reader).map(Jwks::Url),
            _ => Place.parse(node, reader).map(Jwks::File),
        }
    }

    fn write(&self, value: &Jwks) -> Option<String> {
        match value {
            Jwks::File(path) => Place.write(path),
            Jwks::Url(address) => url().write(address),
        }
    }

    fn schema(&self) -> Value {
        Place.schema()
    }
}
