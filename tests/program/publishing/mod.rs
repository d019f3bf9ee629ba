//! Publishing by HTTP, as received by clients.

mod access;
mod broadcast;
mod formats;
mod wamp;

use std::net::SocketAddr;

use polysock_test_support::client::Client;
use polysock_test_support::server::Server;
use serde_json::{Value, json};

/// A publisher.
pub(crate) struct Publisher(SocketAddr);

/// The answer to a publisher.
#[derive(Debug)]
struct Told {
    status: u16,
    head: String,
    body: String,
}

impl Publisher {
    /// Creates a publisher for a server with a publish listener.
    #[track_caller]
    pub(crate) fn of(server: &mut Server) -> Self {
        let line = server.log_line("publish listener on ");
        let (_, address) = line.split_once("publish listener on ").unwrap();
        Self(address.trim().parse().unwrap())
    }

    /// Publishes these items together.
    #[track_caller]
    pub(crate) fn publish(&self, items: &[Value]) {
        let items = json!({ "items": items }).to_string();
        let told = self.post("/publish/", &items);
        assert_eq!((told.status, &*told.body), (200, "Published\n"), "{told:?}");
    }

    /// Publishes a text on a channel, without JSON.
    #[track_caller]
    pub(crate) fn say(&self, channel: &str, text: &str) {
        let told = self.post(&format!("/channels/{channel}"), text);
        assert_eq!((told.status, &*told.body), (200, "Published\n"), "{told:?}");
    }

    #[track_caller]
    fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Told {
        self.ask("POST", path, "", body)
    }

    /// Sends a request with these fields, each of which ends with CRLF, and returns the answer.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, fields: &str, body: impl AsRef<[u8]>) -> Told {
        let body = body.as_ref();
        let mut client = Client::connect(self.0);
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n",
            self.0,
            body.len()
        ));
        client.send(body);
        let head = client.head();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = String::from_utf8(client.rest()).unwrap();
        Told { status, head, body }
    }
}

/// An item with a text for a channel.
pub(crate) fn text(channel: &str, text: &str) -> Value {
    message(channel, &json!({ "content": text }))
}

/// An item with this `ws-message`.
fn message(channel: &str, message: &Value) -> Value {
    json!({ "channel": channel, "formats": { "ws-message": message } })
}
