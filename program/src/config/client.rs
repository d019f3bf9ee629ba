//! The clients that a route is for.

use polysock::protocols::{PROTOCOLS, Protocol};
use serde_json::json;

use super::form::{Word, quoted};
use crate::flags::values;

/// A kind of clients.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    /// Those that ask for a WebSocket, in whatever protocol.
    WebSocket,
    /// Those that send ordinary requests.
    Http,
    /// Those that ask for a WebSocket of this protocol.
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

/// `websocket`, `http` or a protocol.
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
