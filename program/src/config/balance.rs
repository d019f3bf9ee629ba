//! Which of several servers is taken.

use std::fmt;

use polysock::protocols::http::is_token;
use serde_json::{Value, json};

use super::form::{Form, Maybe, Word, quoted};
use super::key::{Key, Section};
use super::node::Node;
use super::reader::Reader;

/// Which of several servers is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Balance {
    RoundRobin,
    LeastConnections,
    /// The same one for what is the same in a request.
    Hash(HashKey),
}

/// What of a request has to be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HashKey {
    /// The address of the client.
    Address,
    Header(String),
    Cookie(String),
    /// A value of the query.
    Query(String),
}

/// A word, or `{ hash = … }`.
pub(super) struct Balancing;

/// The table of a hash.
const HASH: Section<Option<HashKey>> = Section {
    title: "`balance`",
    keys: || {
        vec![Key::new(
            "hash",
            Maybe(hash_key()),
            |hash: &mut Option<HashKey>| hash,
            "What has to be the same: \"header:NAME\", \"cookie:NAME\", \"query:NAME\" or \"address\".",
        )]
    },
};

impl Form<Balance> for Balancing {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Balance> {
        if node.table().is_some() {
            return match HASH.parse(node, reader)? {
                Some(key) => Some(Balance::Hash(key)),
                None => {
                    node.unfit(MEND, &mut reader.problems);
                    None
                }
            };
        }
        match &*node.word(&mut reader.problems)? {
            "round-robin" => Some(Balance::RoundRobin),
            "least-connections" => Some(Balance::LeastConnections),
            "hash-address" => Some(Balance::Hash(HashKey::Address)),
            _ => {
                node.unfit(MEND, &mut reader.problems);
                None
            }
        }
    }

    fn write(&self, value: &Balance) -> Option<String> {
        Some(match value {
            Balance::RoundRobin => quoted("round-robin"),
            Balance::LeastConnections => quoted("least-connections"),
            Balance::Hash(HashKey::Address) => quoted("hash-address"),
            Balance::Hash(key) => format!("{{ hash = {} }}", quoted(&key.to_string())),
        })
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [
            { "enum": ["round-robin", "least-connections", "hash-address"] },
            HASH.schema(),
        ] })
    }
}

/// What has to be the same.
fn hash_key() -> Word<HashKey> {
    Word {
        read: |text| {
            let (kind, name) = text.split_once(':').unwrap_or((text, ""));
            let name = name.to_owned();
            match kind {
                "address" if name.is_empty() => Ok(HashKey::Address),
                "header" if is_token(&name) => Ok(HashKey::Header(name)),
                "cookie" if is_token(&name) => Ok(HashKey::Cookie(name)),
                "query" if !name.is_empty() => Ok(HashKey::Query(name)),
                _ => {
                    Err("write `header:NAME`, `cookie:NAME`, `query:NAME` or `address`".to_owned())
                }
            }
        },
        write: |key| Some(quoted(&key.to_string())),
        schema: || json!({ "type": "string", "pattern": "^(header|cookie|query):.+$|^address$|\\$\\{" }),
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("address"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

const MEND: &str =
    "write `round-robin`, `least-connections`, `hash-address`, or { hash = \"cookie:NAME\" }";
