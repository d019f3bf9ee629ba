//! The kinds of clients that a route matches.

use polysock::protocols::{PROTOCOLS, Protocol};
use serde_json::json;

use super::form::{Word, quoted};
use crate::flags::values;

/// A kind of client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    /// A client that requests a WebSocket, in any protocol.
    WebSocket,
    /// A client that sends ordinary requests.
    Http,
    /// A client that requests a WebSocket in this protocol.
    Protocol(&'static dyn Protocol),
}

impl Client {
    fn name(&self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Http => "http",
            Self::Protocol(protocol) => protocol.name(),
        }
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Client {}

/// The form of a client: `websocket`, `http` or a protocol.
pub(super) fn client() -> Word<Client> {
    Word {
        read: |text| match text {
            "websocket" => Ok(Client::WebSocket),
            "http" => Ok(Client::Http),
            name => values::protocol(name).map(Client::Protocol).map_err(|_| {
                "write `websocket`, `http` or a protocol; `polysock protocols` lists them"
                    .to_owned()
            }),
        },
        write: |client| Some(quoted(client.name())),
        schema: || {
            let protocols = PROTOCOLS.iter().map(|protocol| protocol.name());
            let names: Vec<&str> = ["websocket", "http"].into_iter().chain(protocols).collect();
            json!({ "enum": names })
        },
    }
}
