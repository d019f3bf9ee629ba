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
            "The URL of the endpoint: http://HOST:PORT/PATH, or https://….",
        ),
        Key::new(
            "timeout",
            duration(),
            |forward| &mut forward.timeout,
            "The time that the endpoint has to answer.",
        ),
        Key::new(
            "send",
            List(field()),
            |forward| &mut forward.send,
            "Further fields of the client that are sent to the endpoint.",
        ),
        Key::new(
            "pass",
            List(field()),
            |forward| &mut forward.pass,
            "Fields of the endpoint's answer that are sent to the upstream.",
        ),
        Key::new(
            "user",
            Maybe(field()),
            |forward: &mut Forward| &mut forward.user,
            "The field of the endpoint's answer that contains the user.",
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
