//! The broker between nodes: `[bus]`.

use std::time::Duration;

use polysock_web::bus::Prefix;
use serde_json::json;

use super::form::{Maybe, Word, quoted};
use super::key::Key;
use super::words::{duration, optional_count};

/// The broker that this node shares with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BusSection {
    /// The URL of the broker; `None` if there is none.
    pub(crate) url: Option<String>,
    pub(crate) prefix: Prefix,
    /// The number of publications of each channel that the broker keeps; `None` if it keeps none.
    pub(crate) history: Option<u32>,
    pub(crate) history_age: Duration,
}

impl Default for BusSection {
    fn default() -> Self {
        Self {
            url: None,
            prefix: Prefix::default(),
            history: None,
            history_age: Duration::from_secs(300),
        }
    }
}

/// The keys of `[bus]`.
pub(super) fn keys() -> Vec<Key<BusSection>> {
    vec![
        Key::new(
            "url",
            Maybe(url()),
            |bus: &mut BusSection| &mut bus.url,
            "A broker that joins the channels of several servers: nats://HOST:PORT, tls:// for NATS by TLS, \
             redis://HOST:PORT, rediss://, or redis+unix:///PATH, with USER:PASSWORD@ before the host where it wants \
             them. Not given: this server is alone.",
        )
        .example("\"nats://127.0.0.1:4222\""),
        Key::new(
            "prefix",
            prefix(),
            |bus| &mut bus.prefix,
            "What the names of all that is at the broker begin with, the same on each server of a site.",
        ),
        Key::new(
            "history",
            optional_count(),
            |bus| &mut bus.history,
            "How many publications of each channel the broker keeps, so that who has missed some gets them; with NATS \
             that takes JetStream. The same on each server.",
        ),
        Key::new(
            "history_age",
            duration(),
            |bus| &mut bus.history_age,
            "For how long it keeps them.",
        ),
    ]
}

/// The form of a broker's URL, which may contain a password.
fn url() -> Word<String> {
    Word {
        read: |text| match text.contains("://") {
            true => Ok(text.to_owned()),
            false => Err("write nats://HOST:PORT or redis://HOST:PORT".to_owned()),
        },
        write: |url| Some(quoted(&polysock::protocols::hide_secrets(url))),
        schema: || json!({ "type": "string" }),
    }
}

fn prefix() -> Word<Prefix> {
    Word {
        read: |text| Prefix::new(text).map_err(|error| error.to_string()),
        write: |prefix| Some(quoted(prefix.as_str())),
        schema: || json!({ "type": "string" }),
    }
}
