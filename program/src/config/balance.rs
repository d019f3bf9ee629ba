//! The balancing of a group of servers.

use polysock::protocols::http::is_token;
use polysock::upstream::{Balance, HashOf};
use serde_json::{Value, json};

use super::form::{Form, Maybe, Word, quoted};
use super::key::{Key, Section};
use super::node::Node;
use super::reader::Reader;

/// The form of `balance`: a word, or `{ hash = … }`.
pub(super) struct Balancing;

/// The table of a hash.
const HASH: Section<Option<HashOf>> = Section {
    title: "`balance`",
    keys: || {
        vec![Key::new(
            "hash",
            Maybe(hash_key()),
            |hash: &mut Option<HashOf>| hash,
            "The value that is hashed: \"header:NAME\", \"cookie:NAME\", \"query:NAME\" or \"address\". Clients with \
             the same value get the same server.",
        )]
    },
};

impl Form<Balance> for Balancing {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Balance> {
        if node.table().is_some() {
            if !node.has("hash") {
                node.unfit(MEND, &mut reader.problems);
            }
            return HASH.parse(node, reader)?.map(Balance::Hash);
        }
        match &*node.word(&mut reader.problems)? {
            "round-robin" => Some(Balance::RoundRobin),
            "least-connections" => Some(Balance::LeastConnections),
            "hash-address" => Some(Balance::Hash(HashOf::Address)),
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
            Balance::Hash(HashOf::Address) => quoted("hash-address"),
            Balance::Hash(key) => format!("{{ hash = {} }}", quoted(&hash_text(key))),
        })
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [
            { "enum": ["round-robin", "least-connections", "hash-address"] },
            HASH.schema(),
        ] })
    }
}

/// The form of a hash key, which maps equal clients to the same server.
fn hash_key() -> Word<HashOf> {
    Word {
        read: |text| {
            let (kind, name) = text.split_once(':').unwrap_or((text, ""));
            let name = name.to_owned();
            match kind {
                "address" if name.is_empty() => Ok(HashOf::Address),
                "header" if is_token(&name) => Ok(HashOf::Header(name)),
                "cookie" if is_token(&name) => Ok(HashOf::Cookie(name)),
                "query" if !name.is_empty() => Ok(HashOf::Query(name)),
                _ => {
                    Err("write `header:NAME`, `cookie:NAME`, `query:NAME` or `address`".to_owned())
                }
            }
        },
        write: |key| Some(quoted(&hash_text(key))),
        schema: || json!({ "type": "string", "pattern": "^(header|cookie|query):.+$|^address$|\\$\\{" }),
    }
}

fn hash_text(key: &HashOf) -> String {
    match key {
        HashOf::Address => "address".to_owned(),
        HashOf::Header(name) => format!("header:{name}"),
        HashOf::Cookie(name) => format!("cookie:{name}"),
        HashOf::Query(name) => format!("query:{name}"),
    }
}

const MEND: &str =
    "write `round-robin`, `least-connections`, `hash-address`, or { hash = \"cookie:NAME\" }";
