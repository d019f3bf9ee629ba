//! JSON Web Tokens (RFC 7519) as bearer tokens (RFC 6750).

mod claims;
mod fetched;
mod key;
mod keys;
mod source;

use std::time::Duration;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use polysock_protocols::Rejection;
use serde_json::{Map, Value};
use tracing::debug;

use self::key::Key;
pub use self::keys::{TokenKeys, TokenKeysError};
pub use self::source::{TokenSource, TokenSourceError};
use super::Realm;
use crate::route::policy::{Admitted, Policy, Visitor};
use crate::transport::Authenticated;
use crate::upstream::query_values;

/// Admits clients with a JSON Web Token (RFC 7519) that is signed with one of the keys, is valid
/// now, and is meant for this site. Others receive 401 with `WWW-Authenticate` (RFC 6750 §3).
/// Clients with more than one token receive 400. While there are no keys, tokens are answered with
/// 503.
///
/// The key decides which algorithms are accepted: `none` is never accepted, and a public key is
/// never used as a secret.
#[derive(Debug)]
pub struct Bearer {
    keys: TokenKeys,
    settings: BearerSettings,
    validation: Validation,
}

/// The conditions on tokens, and the places in a request that may contain them.
#[derive(Clone, Debug)]
pub struct BearerSettings {
    /// The name of the protected area.
    pub realm: Realm,
    /// The places that may contain a token. By default only the `Authorization` field.
    pub sources: Vec<TokenSource>,
    /// The accepted issuers (`iss`); empty, the default, for any holder of a key.
    pub issuers: Vec<String>,
    /// The accepted audiences (`aud`). With an empty list, the default, tokens that name an
    /// audience are refused (RFC 7519 §4.1.3).
    pub audiences: Vec<String>,
    /// The allowed difference between clocks. 30 seconds by default.
    pub leeway: Duration,
    /// The claim that contains the user's name. `sub` by default.
    pub user: String,
    /// Whether a connection ends when the token expires, as [at its maximum
    /// age](crate::Terms::max_age). False by default.
    pub ends_connections: bool,
}

/// The longest token, in bytes. Browsers limit cookies to less.
const MAX_TOKEN: usize = 16 * 1024;

impl Default for BearerSettings {
    fn default() -> Self {
        Self {
            realm: Realm::default(),
            sources: vec![TokenSource::Header],
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Duration::from_secs(30),
            user: "sub".to_owned(),
            ends_connections: false,
        }
    }
}

impl Bearer {
    /// Creates a policy that admits clients with tokens that are signed with one of these keys.
    pub fn new(keys: TokenKeys, settings: BearerSettings) -> Self {
        let mut validation = Validation {
            leeway: settings.leeway.as_secs(),
            validate_nbf: true,
            ..Validation::default()
        };
        let mut required = vec!["exp"];
        if !settings.issuers.is_empty() {
            validation.set_issuer(&settings.issuers);
            required.push("iss");
        }
        if !settings.audiences.is_empty() {
            validation.set_audience(&settings.audiences);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        Self {
            keys,
            settings,
            validation,
        }
    }

    async fn admitted(&self, visitor: Visitor<'_>) -> Result<Admitted, Rejection> {
        let mut tokens = Vec::new();
        for source in &self.settings.sources {
            tokens.extend(source.tokens(visitor)?);
        }
        let mut tokens = tokens.into_iter();
        let found = match (tokens.next(), tokens.next()) {
            (None, _) => return Err(self.refusal("", "a token is needed")),
            (Some(found), None) => found,
            // RFC 6750 §3.1: recipients might choose different ones.
            (Some(_), Some(_)) => {
                let reason = "there is more than one token";
                return Err(Rejection {
                    status: 400,
                    ..self.refusal("invalid_request", reason)
                });
            }
        };
        let claims = self.claims(&found.token).await?;
        Ok(Admitted {
            max_age: match self.settings.ends_connections {
                true => claims::time_left(&claims, self.settings.leeway),
                false => None,
            },
            authenticated: Some(self.authenticated(&claims)),
            spent_subprotocols: found
                .subprotocols
                .into_iter()
                .map(ByteString::from)
                .collect(),
            ..Admitted::default()
        })
    }

    /// Verifies a token, and returns its claims.
    async fn claims(&self, token: &str) -> Result<Map<String, Value>, Rejection> {
        let invalid = || self.refusal("invalid_token", "the token is not valid here");
        if token.len() > MAX_TOKEN {
            return Err(invalid());
        }
        let header = decode_header(token).map_err(|error| {
            debug!(%error, "the token cannot be parsed");
            invalid()
        })?;
        let unavailable = || Rejection::unavailable("the token keys are not available");
        let keys = self.keys.now().await.ok_or_else(unavailable)?;
        if let Some(result) = self.verified(token, &header, &keys) {
            return result;
        }
        // The issuer may have published a new key.
        let newer = self.keys.newer().await;
        let newer = newer.and_then(|keys| self.verified(token, &header, &keys));
        newer.unwrap_or_else(|| {
            debug!("the token is signed with an unknown key");
            Err(invalid())
        })
    }

    /// Tries the keys that a token may be signed with; `None` if no such key is known.
    fn verified(
        &self,
        token: &str,
        header: &Header,
        keys: &[Key],
    ) -> Option<Result<Map<String, Value>, Rejection>> {
        let mut last = None;
        for key in keys.iter().filter(|key| key.may_have_signed(header)) {
            let mut validation = self.validation.clone();
            validation.algorithms = vec![header.alg];
            match decode(token, key.decoding(), &validation) {
                Ok(decoded) => return Some(Ok(decoded.claims)),
                Err(error) => {
                    debug!(%error, "the token is not valid");
                    let is_late = matches!(error.kind(), ErrorKind::ExpiredSignature);
                    let reason = match is_late {
                        true => "the token has expired",
                        false => "the token is not valid here",
                    };
                    let is_signed = !matches!(error.kind(), ErrorKind::InvalidSignature);
                    last = Some(Err(self.refusal("invalid_token", reason)));
                    if is_signed {
                        break;
                    }
                }
            }
        }
        last
    }

    fn authenticated(&self, claims: &Map<String, Value>) -> Authenticated {
        let all = claims::texts(claims);
        let user = all.iter().find(|(name, _)| *name == self.settings.user);
        let user = user.map(|(_, value)| value.as_str().into());
        let mut authenticated = Authenticated::new(user);
        for (name, value) in all {
            authenticated.claim(name, value);
        }
        authenticated
    }

    /// Returns the refusal; without an error code if there was no token (RFC 6750 §3).
    fn refusal(&self, error: &str, reason: &str) -> Rejection {
        let parameters = match error {
            "" => String::new(),
            error => format!(", error=\"{error}\", error_description=\"{reason}\""),
        };
        self.settings.realm.challenge("Bearer", &parameters, reason)
    }
}

impl Policy for Bearer {
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>> {
        Box::pin(self.admitted(visitor))
    }

    fn secrets(&self, visitor: Visitor<'_>) -> Vec<ByteString> {
        let sources = self.settings.sources.iter();
        let names = sources.filter_map(|source| match source {
            TokenSource::Query(name) => Some(name),
            _ => None,
        });
        let values = names.flat_map(|name| query_values(visitor.target(), name));
        values
            .filter(|value| !value.is_empty())
            .map(ByteString::from)
            .collect()
    }
}
