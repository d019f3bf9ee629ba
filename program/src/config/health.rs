//! How it is found out whether a server is up.

use std::fmt;
use std::time::Duration;

use polysock::protocols::hide_secrets;
use serde_json::json;

use super::form::{List, Maybe, Word, quoted};
use super::key::Key;
use super::words::{duration, number};

/// How it is found out whether a server is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// What is asked for; `None` only connects.
    pub(crate) path: Option<String>,
    /// The answers that are good.
    pub(crate) status: Vec<Statuses>,
    /// How many good checks in a row bring a server up.
    pub(crate) rise: u32,
    /// How many bad ones bring it down.
    pub(crate) fall: u32,
}

/// Status codes, the first and the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statuses {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            path: None,
            status: vec![Statuses {
                first: 200,
                last: 399,
            }],
            rise: 2,
            fall: 3,
        }
    }
}

/// Its keys.
pub(super) fn keys() -> Vec<Key<Health>> {
    vec![
        Key::new(
            "interval",
            duration(),
            |health: &mut Health| &mut health.interval,
            "How often each server is asked.",
        ),
        Key::new(
            "timeout",
            duration(),
            |health| &mut health.timeout,
            "How long it may take to answer.",
        ),
        Key::new(
            "path",
            Maybe(path()),
            |health: &mut Health| &mut health.path,
            "What it is asked for with GET. Not given: it has to accept a connection.",
        )
        .example("\"/health\""),
        Key::new(
            "status",
            List(statuses()),
            |health| &mut health.status,
            "The answers that are good.",
        ),
        Key::new(
            "rise",
            number(),
            |health| &mut health.rise,
            "How many good answers in a row bring a server up.",
        ),
        Key::new(
            "fall",
            number(),
            |health| &mut health.fall,
            "How many bad ones in a row bring it down.",
        ),
    ]
}

/// The path of a request, with its query.
fn path() -> Word<String> {
    Word {
        read: |text| {
            let is_path = |c: char| c.is_ascii_graphic() && c != '#';
            match text.starts_with('/') && text.chars().all(is_path) {
                true => Ok(text.to_owned()),
                false => Err("write a path, as /health".to_owned()),
            }
        },
        write: |path| Some(quoted(&hide_secrets(path))),
        schema: || json!({ "type": "string", "pattern": "^/|\\$\\{" }),
    }
}

/// `200`, or `200-399`.
fn statuses() -> Word<Statuses> {
    Word {
        read: |text| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let code = |text: &str| {
                let code = text.parse().ok();
                code.filter(|code| (100..=599).contains(code))
            };
            let codes = code(first).zip(code(last));
            let codes = codes.filter(|(first, last)| first <= last);
            let (first, last) = codes.ok_or("write a status code or a range, as 200-399")?;
            Ok(Statuses { first, last })
        },
        write: |statuses| Some(quoted(&statuses.to_string())),
        schema: || json!({ "type": ["string", "integer"] }),
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}
