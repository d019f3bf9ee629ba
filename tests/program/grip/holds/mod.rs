//! Ordinary requests that the origin has held: as streams, or until a response is published.

mod ends;
mod fields;
mod links;
mod polls;
mod streams;

use std::time::Duration;

use polysock_test_support::client::Client;
use polysock_test_support::grip::Answer;
use polysock_test_support::opening::assert_status;
use serde_json::{Value, json};

use super::Gateway;
use crate::publishing::Publisher;

const GET: &str = "GET /feed?x=1 HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// The last chunk of a body.
const END: &str = "0\r\n\r\n";

/// The most time between the answer of the origin and the hold of its request.
const SETTLED: Duration = Duration::from_millis(200);

/// A gateway before an origin, and a publisher.
struct Site {
    gateway: Gateway,
    publisher: Publisher,
}

impl Site {
    fn new() -> Self {
        Self::over(Gateway::new(&["--publish", "127.0.0.1:0"]))
    }

    /// Creates a site whose route has these settings.
    fn with(name: &str, settings: &str) -> Self {
        let publish = "\n[publish]\nlisten = \"127.0.0.1:0\"\n";
        Self::over(Gateway::with(name, &[settings, publish].concat()))
    }

    fn over(mut gateway: Gateway) -> Self {
        let publisher = Publisher::of(&mut gateway.server);
        Self { gateway, publisher }
    }

    /// Sends a request that the origin answers with `answer`. Returns the client and the received
    /// head.
    #[track_caller]
    fn gets(&self, request: &str, answer: Answer, status: u16) -> (Client, String) {
        let (mut client, post) = self.gateway.asks(request);
        post.answer(answer);
        let head = client.head();
        assert_status(&head, status);
        (client, head)
    }

    /// The same on an open connection.
    #[track_caller]
    fn gets_again(&self, client: &mut Client, request: &str, answer: Answer) -> String {
        client.send(request);
        self.gateway.origin.post().answer(answer);
        client.head()
    }

    /// Opens a stream on these channels.
    #[track_caller]
    fn streams(&self, channels: &str) -> Client {
        self.gets(GET, stream(channels), 200).0
    }

    /// Waits until the gateway has processed earlier answers of the origin, which it reports
    /// nowhere.
    #[track_caller]
    fn settles(&self) {
        let mut known = self.streams("known");
        self.stream("known", "x");
        known.expect(piece("x"));
        std::thread::sleep(SETTLED);
    }

    /// Publishes a format on a channel.
    #[track_caller]
    fn publish(&self, channel: &str, format: &str, value: &Value) {
        self.publisher
            .publish(&[json!({ "channel": channel, "formats": { format: value } })]);
    }

    /// Publishes content for streams.
    #[track_caller]
    fn stream(&self, channel: &str, content: &str) {
        self.publish(channel, "http-stream", &json!({ "content": content }));
    }

    /// Publishes an item with this id and previous id, for streams and responses.
    #[track_caller]
    fn number(&self, channel: &str, id: &str, prev_id: Option<&str>) {
        let mut item = json!({ "channel": channel, "id": id, "formats": {
            "http-stream": { "content": format!("[{id}]") },
            "http-response": { "body": format!("[{id}]") },
        }});
        if let Some(prev_id) = prev_id {
            item["prev-id"] = json!(prev_id);
        }
        self.publisher.publish(&[item]);
    }
}

/// An answer that holds its request in this mode.
fn held(mode: &str, channels: &str, body: &str) -> Answer {
    Answer::page(200, "text/plain", body.as_bytes().to_vec())
        .with("Grip-Hold", mode)
        .with("Grip-Channel", channels)
}

/// An empty answer that holds its request as a stream.
fn stream(channels: &str) -> Answer {
    held("stream", channels, "")
}

/// Encodes a chunk of a body.
fn piece(content: &str) -> String {
    format!("{:X}\r\n{content}\r\n", content.len())
}
