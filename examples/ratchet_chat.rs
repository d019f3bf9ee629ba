//! The introductory chat of Ratchet: every client receives the messages of the others. Browsers of
//! every age connect to one port, and a terminal (`nc 127.0.0.1 9000`) to another; all share one
//! chat.
//!
//! `cargo run --example ratchet_chat -- 127.0.0.1:8080 127.0.0.1:9000`

use std::sync::Arc;

use polysock::apps::component::{Client, Clients, Component, tcp, ws};
use polysock::protocols::PROTOCOLS;
use polysock::{BoxError, Gateway, Message, PortSettings, Site};

#[derive(Default)]
struct Chat(Clients);

impl Component for Chat {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        self.0.attach(client);
        Ok(())
    }
    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        self.0.others(from).send(message);
        Ok(())
    }
    async fn on_close(&self, client: &Client) {
        self.0.detach(client);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let mut addresses = std::env::args().skip(1);
    let mut address = |default: &str| addresses.next().unwrap_or_else(|| default.to_owned());
    let (web, lines) = (address("127.0.0.1:8080"), address("127.0.0.1:9000"));
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    let chat = Arc::new(Chat::default());
    let gateway = Gateway::with_site(Site::new(ws(Arc::clone(&chat))), settings);
    tokio::try_join!(gateway.listen(web), tcp(chat).listen(lines))?;
    Ok(())
}
