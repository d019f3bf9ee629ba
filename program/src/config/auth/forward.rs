//! Authentication by an external endpoint.

use std::time::Duration;

use polysock::auth::ForwardAuthSettings;
use polysock::upstream::HeaderPolicy;
use serde_json::json;

use super::words::url;
use crate::config::form::{List, Maybe, Word, quoted};
use crate::config::key::Key;
use crate::config::words::duration;

/// The settings of authentication by an external endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forward {
    pub(crate) url: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) send: Vec<String>,
    pub(crate) pass: Vec<String>,
    pub(crate) user: Option<String>,
}

impl Default for Forward {
    fn default() -> Self {
        Self {
            url: None,
            timeout: ForwardAuthSettings::default().timeout,
            send: Vec::new(),
            pass: Vec::new(),
            user: None,
        }
    }
}

/// The keys of [`Forward`].
pub(super) fn keys() -> Vec<Key<Forward>> {
    vec![
        Key::new(
            "url",
            Maybe(url()),
            |forward: &mut Forward| &mut forward.url,
            "The endpoint: http://HOST:PORT/PATH, or https://….",
        ),
        Key::new(
            "timeout",
            duration(),
            |forward| &mut forward.timeout,
            "How long it may take.",
        ),
        Key::new(
            "send",
            List(field()),
            |forward| &mut forward.send,
            "Further fields of the client that it gets.",
        ),
        Key::new(
            "pass",
            List(field()),
            |forward| &mut forward.pass,
            "Fields of its answer that the upstream gets.",
        ),
        Key::new(
            "user",
            Maybe(field()),
            |forward: &mut Forward| &mut forward.user,
            "The field of its answer that is the user.",
        ),
    ]
}

fn field() -> Word<String> {
    Word {
        read: |text| match HeaderPolicy::default().set(text, "") {
            Ok(()) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        },
        write: |name| Some(quoted(name)),
        schema: || json!({ "type": "string" }),
    }
}
