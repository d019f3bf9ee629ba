//! A server of a group.

use polysock::protocols::hide_secrets;
use serde_json::{Value, json};

use super::form::{Form, Maybe, Word, quoted};
use super::key::{Entries, Key, properties};
use super::node::Node;
use super::reader::Reader;
use super::url;

/// A server of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// The URL, which may contain parameters from the route's path.
    pub(crate) url: String,
    /// The server's share of the clients.
    pub(crate) weight: u32,
}

/// The form of a server: a URL, or a table with a weight.
pub(super) struct Servers;

/// The keys of a server's table.
fn server_keys() -> Vec<Key<(Option<String>, u32)>> {
    vec![
        Key::new(
            "url",
            Maybe(ServerUrl),
            |server: &mut (Option<String>, u32)| &mut server.0,
            "The URL of the server.",
        ),
        Key::new(
            "weight",
            weight(),
            |server| &mut server.1,
            "The server's share of clients, relative to the others. 0 for no new clients.",
        ),
    ]
}

impl Form<Server> for Servers {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Server> {
        if node.table().is_none() {
            let url = ServerUrl.parse(node, reader)?;
            return Some(Server { url, weight: 1 });
        }
        let mut server = (None, 1);
        let mut entries = Entries::new("a target", node, reader);
        let has_url = entries.has("url");
        entries.read(&server_keys(), &mut server, reader);
        entries.finish(&[], reader);
        if !has_url {
            node.unfit(
                "write { url = \"ws://HOST:PORT\", weight = 1 }",
                &mut reader.problems,
            );
        }
        let (url, weight) = server;
        Some(Server { url: url?, weight })
    }

    fn write(&self, value: &Server) -> Option<String> {
        let url = ServerUrl.write(&value.url)?;
        Some(match value.weight {
            1 => url,
            weight => format!("{{ url = {url}, weight = {weight} }}"),
        })
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [{ "type": "string" }, {
            "type": "object",
            "properties": properties(&server_keys()),
            "required": ["url"],
            "additionalProperties": false,
        }] })
    }
}

/// The form of a weight.
fn weight() -> Word<u32> {
    Word {
        read: |text| {
            text.parse()
                .map_err(|_| "write a number of at least 0".to_owned())
        },
        write: |weight| Some(weight.to_string()),
        schema: || json!({ "type": "integer", "minimum": 0 }),
    }
}

/// The form of a server's URL.
struct ServerUrl;

impl Form<String> for ServerUrl {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<String> {
        let word = node.word(&mut reader.problems)?;
        match url::read(&word, reader) {
            Ok(url) => Some(url),
            Err(mend) => {
                node.unfit(mend, &mut reader.problems);
                None
            }
        }
    }

    fn write(&self, value: &String) -> Option<String> {
        Some(quoted(&hide_secrets(value)))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}
