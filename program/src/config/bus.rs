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
            "The URL of the broker that joins the channels of several servers: nats://HOST:PORT, tls:// for NATS over \
             TLS, redis://HOST:PORT, rediss:// for Redis over TLS, or redis+unix:///PATH, with USER:PASSWORD@ before \
             the host if the broker requires them. Default: no broker; the server has its channels to itself.",
        )
        .example("\"nats://127.0.0.1:4222\""),
        Key::new(
            "prefix",
            prefix(),
            |bus| &mut bus.prefix,
            "The prefix of all names that are used at the broker. It must be the same on all servers of a site.",
        ),
        Key::new(
            "history",
            optional_count(),
            |bus| &mut bus.history,
            "The number of publications of each channel that the broker keeps for clients that have missed some, or \
             \"none\". With NATS this requires JetStream. It must be the same on all servers.",
        ),
        Key::new(
            "history_age",
            duration(),
            |bus| &mut bus.history_age,
            "The time for which the broker keeps publications.",
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
