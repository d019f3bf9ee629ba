//! Authentication by password.

use std::path::PathBuf;

use polysock::auth::Realm;

use super::words::{REALM, realm};
use crate::config::form::Maybe;
use crate::config::key::Key;
use crate::config::words::Place;

/// The settings of authentication by password.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Basic {
    pub(crate) file: Option<PathBuf>,
    pub(crate) realm: Realm,
}

/// The keys of [`Basic`].
pub(super) fn keys() -> Vec<Key<Basic>> {
    vec![
        Key::new(
            "file",
            Maybe(Place),
            |basic: &mut Basic| &mut basic.file,
            "A password file as `htpasswd -B` writes it, with hashes by bcrypt, argon2id or SHA-crypt.",
        ),
        Key::new("realm", realm(), |basic| &mut basic.realm, REALM),
    ]
}
