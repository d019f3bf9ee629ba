//! A key, and the algorithms that sign with it.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, Header};
use serde_json::Value;

/// A key that tokens are verified with.
#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    /// The algorithms for this kind of key. The token has no influence on them.
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// The maximum number of keys in a set: a token that names none of them is tried with each.
pub(super) const MAX_KEYS: usize = 64;

/// The shortest secret, in bytes (RFC 7518 §3.2).
const MIN_SECRET: usize = 32;

impl Key {
    /// True if a token with this header may be signed with this key.
    pub(super) fn may_have_signed(&self, header: &Header) -> bool {
        let is_named = match (&self.id, &header.kid) {
            (Some(id), Some(named)) => id == named,
            (None, _) | (_, None) => true,
        };
        is_named && self.algorithms.contains(&header.alg)
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// Parses the public keys of a file in PEM form (RFC 7468).
    pub(super) fn of_pem(bytes: &[u8]) -> Result<Vec<Self>, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| NO_PEM.to_owned())?;
        let blocks = text
            .match_indices(BEGIN)
            .map(|(at, _)| text.get(at..).unwrap_or_default());
        let keys = blocks.map(Self::of_block).collect::<Result<Vec<_>, _>>()?;
        match keys.is_empty() {
            true => Err(NO_PEM.to_owned()),
            false => limited(keys),
        }
    }

    fn of_block(block: &str) -> Result<Self, String> {
        let label = block.strip_prefix(BEGIN).unwrap_or_default();
        let label = label.split_once("-----").map_or("", |(label, _)| label);
        if label.ends_with("PRIVATE KEY") {
            return Err(
                "this is a private key: write the public key, the output of `openssl pkey -pubout`"
                    .to_owned(),
            );
        }
        if label == "CERTIFICATE" {
            return Err(
                "this is a certificate: write its public key, the output of `openssl x509 -pubkey -noout`"
                    .to_owned(),
            );
        }
        let bytes = block.as_bytes();
        let key = DecodingKey::from_rsa_pem(bytes)
            .or_else(|_| DecodingKey::from_ec_pem(bytes))
            .or_else(|_| DecodingKey::from_ed_pem(bytes))
            .ok();
        Self::of_decoding(None, key.ok_or(NO_PEM)?)
    }

    /// Parses the secret of a file, without a final line end.
    pub(super) fn of_secret(bytes: &[u8]) -> Result<Vec<Self>, String> {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let secret = line.strip_suffix(b"\r").unwrap_or(line);
        let key = DecodingKey::from_secret(secret).map_err(|_| "it is empty".to_owned())?;
        Ok(vec![Self::of_decoding(None, key)?])
    }

    /// Parses a JWK set (RFC 7517 §5). Keys of unknown kinds are ignored (§5).
    pub(super) fn of_set(bytes: &[u8]) -> Result<Vec<Self>, String> {
        let none = "it is not a JWK set: write { \"keys\": [ … ] }";
        let set: Value = serde_json::from_slice(bytes).map_err(|_| none.to_owned())?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(none)?;
        let keys: Vec<Self> = keys.iter().filter_map(Self::of_jwk).collect();
        match keys.is_empty() {
            true => Err("it contains no key for HS, RS, PS, ES or EdDSA".to_owned()),
            false => limited(keys),
        }
    }

    fn of_jwk(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let common = &jwk.common;
        let operations = common.key_operations.as_ref();
        let is_other = matches!(common.public_key_use, Some(PublicKeyUse::Encryption))
            || operations.is_some_and(|all| !all.contains(&KeyOperations::Verify));
        if is_other {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let mut key = Self::of_decoding(common.key_id.clone(), key).ok()?;
        if let Some(only) = common.key_algorithm {
            let only = Algorithm::try_from(only).ok();
            key.algorithms.retain(|algorithm| Some(*algorithm) == only);
        }
        (!key.algorithms.is_empty()).then_some(key)
    }

    /// Creates a key with the algorithms for its kind and length.
    fn of_decoding(id: Option<String>, decoding: DecodingKey) -> Result<Self, String> {
        let len = match decoding.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => bytes.len(),
            DecodingKeyKind::RsaModulusExponent { n, .. } => n.len(),
        };
        let algorithms: &[Algorithm] = match decoding.family() {
            AlgorithmFamily::Hmac => match len {
                0..MIN_SECRET => {
                    return Err(format!(
                        "the secret has {len} bytes, and HS256 needs at least {MIN_SECRET} (RFC \
                         7518 §3.2): `openssl rand -hex 32`"
                    ));
                }
                MIN_SECRET..48 => &[Algorithm::HS256],
                48..64 => &[Algorithm::HS256, Algorithm::HS384],
                _ => &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512],
            },
            // RFC 7518 §3.3: 2048 bits.
            AlgorithmFamily::Rsa if len < 256 => {
                return Err("an RSA key needs at least 2048 bits (RFC 7518 §3.3)".to_owned());
            }
            AlgorithmFamily::Rsa => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            // RFC 7518 §3.4: an octet, and the two coordinates.
            AlgorithmFamily::Ec => match len {
                65 => &[Algorithm::ES256],
                97 => &[Algorithm::ES384],
                _ => {
                    return Err(
                        "of the elliptic curves, only P-256 and P-384 are supported".to_owned()
                    );
                }
            },
            AlgorithmFamily::Ed => &[Algorithm::EdDSA],
        };
        Ok(Self {
            id,
            algorithms: algorithms.to_vec(),
            decoding,
        })
    }
}

const BEGIN: &str = "-----BEGIN ";

const NO_PEM: &str = "it contains no public key in PEM form: -----BEGIN PUBLIC KEY-----, of RSA, P-256, P-384 or Ed25519";

fn limited(keys: Vec<Key>) -> Result<Vec<Key>, String> {
    match keys.len() > MAX_KEYS {
        true => Err(format!("it has more than {MAX_KEYS} keys")),
        false => Ok(keys),
    }
}

/// Shows no key material, which may be a secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}
