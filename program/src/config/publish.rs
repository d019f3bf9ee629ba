//! The publish listener for web apps: `[publish]`.

use serde_json::json;

use super::form::{Maybe, Word, quoted};
use super::key::Key;
use super::listener::{Address, Addresses};
use super::words::text;

/// The publish listener, and the key shared with web apps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublishSection {
    /// The address; `None` if there is no publish listener.
    pub(crate) listen: Option<Address>,
    pub(crate) key: Option<String>,
    /// The issuer in the signature that shows web apps that a request is ours.
    pub(crate) issuer: String,
}

impl Default for PublishSection {
    fn default() -> Self {
        Self {
            listen: None,
            key: None,
            issuer: "polysock".to_owned(),
        }
    }
}

/// The keys of `[publish]`.
pub(super) fn keys() -> Vec<Key<PublishSection>> {
    vec![
        Key::new(
            "listen",
            Maybe(Addresses),
            |publish: &mut PublishSection| &mut publish.listen,
            "The address of the publish listener, for POST /publish/ and POST /channels/NAME: HOST:PORT, or unix:PATH. \
             Default: no publish listener.",
        )
        .example("\"127.0.0.1:5561\""),
        Key::new(
            "key",
            Maybe(key()),
            |publish: &mut PublishSection| &mut publish.key,
            "The key that is shared with web apps. It signs requests to the targets http+grip: and https+grip: \
             (Grip-Sig), and publishers must send a JWT that is signed with it. A key of arbitrary bytes is written as \
             `base64:` and its encoding. Without a key, only this machine may be able to reach `listen`.",
        )
        .example("\"32 letters or more, as openssl rand -hex 16 makes\""),
        Key::new(
            "issuer",
            text(),
            |publish| &mut publish.issuer,
            "The issuer (`iss`) in Grip-Sig, by which web apps recognise requests of this server.",
        ),
    ]
}

/// The form of a secret key.
fn key() -> Word<String> {
    Word {
        read: |text| match text.is_empty() {
            true => Err("write a key".to_owned()),
            false => Ok(text.to_owned()),
        },
        write: |_| Some(quoted("***")),
        schema: || json!({ "type": "string" }),
    }
}
