//! Deciders, with the order of their output and their commands.

use std::sync::{Arc, Mutex};

use polysock::apps::component::{Client, Command, Decider, Deciding, ws};
use polysock::protocols::PROTOCOLS;
use polysock::{Close, CloseCode, Message};

use super::{connect, gateway, join, until, ways};

/// The chat of 2011.
#[derive(Default)]
struct Chat {
    clients: Vec<Client>,
    /// The clients that have left.
    gone: Arc<Mutex<Vec<u64>>>,
}

impl Decider for Chat {
    fn on_open(&mut self, client: &Client) -> Command {
        self.clients.push(client.clone());
        Command::send(client, "welcome")
    }

    fn on_message(&mut self, from: &Client, message: Message) -> Command {
        match message.as_text() {
            Some("bye") => {
                Command::close(from, CloseCode::NORMAL).then(Command::send(from, "late"))
            }
            Some("later") => Command::run(from, |client| {
                Command::send(client, "first").then(Command::run(client, |client| {
                    Some(Command::send(client, "second"))
                }))
            })
            .then(Command::send(from, "third")),
            Some("panic") => panic!("it panics"),
            _ => self.to_others(from, &message),
        }
    }

    fn on_close(&mut self, client: &Client) -> Command {
        self.clients.retain(|other| other != client);
        self.gone.lock().unwrap().push(client.id());
        let farewell = Command::send(client, "farewell");
        farewell.then(self.to_others(client, &"somebody left".into()))
    }
}

impl Chat {
    fn to_others(&self, than: &Client, message: &Message) -> Command {
        let others = self.clients.iter().filter(|client| *client != than);
        let sends = others.map(|client| Command::send(client, message.clone()));
        sends.collect()
    }
}

#[test]
fn a_decider_is_tested_without_a_socket() {
    let mut chat = Chat::default();
    let [ann, bob, eve] = [(); 3].map(|()| Client::unconnected());
    for client in [&ann, &bob, &eve] {
        assert_eq!(chat.on_open(client), Command::send(client, "welcome"));
    }
    let said = chat.on_message(&ann, "hello".into());
    let expected = Command::All(vec![
        Command::send(&bob, "hello"),
        Command::send(&eve, "hello"),
    ]);
    assert_eq!(said, expected);
    let left = chat.on_close(&eve);
    let left_is = [
        Command::send(&eve, "farewell"),
        Command::send(&ann, "somebody left"),
        Command::send(&bob, "somebody left"),
    ];
    assert_eq!(left, Command::All(left_is.into()));
    let closed = chat.on_message(&bob, "bye".into());
    assert_eq!(
        closed,
        Command::close(&bob, CloseCode::NORMAL).then(Command::send(&bob, "late"))
    );
    assert_eq!(
        chat.on_error(&ann, "x".into()),
        Command::close(&ann, CloseCode::INTERNAL_ERROR)
    );
}

#[tokio::test]
async fn the_commands_of_a_decider_are_executed() {
    for (name, way) in ways() {
        let chat = Chat::default();
        let gone = Arc::clone(&chat.gone);
        let gateway = gateway(ws(Deciding::new(chat)));
        let mut ann = join(&gateway, name, way).await;
        let mut bob = join(&gateway, "rfc6455", way).await;
        ann.send("hello").await;
        assert_eq!(bob.text().await, "hello");
        bob.send("hello, too").await;
        assert_eq!(ann.text().await, "hello, too");
        ann.send("later").await;
        for expected in ["first", "second", "third"] {
            assert_eq!(ann.text().await, expected, "{name} {way:?}");
        }
        // `on_close` is called first, then its output is sent, then the close. Output after that is
        // dropped, and `on_close` is not called again.
        ann.send("bye").await;
        assert_eq!(ann.text().await, "farewell", "{name} {way:?}");
        assert_eq!(ann.message().await, None, "{name} {way:?}");
        assert_eq!(bob.text().await, "somebody left", "{name} {way:?}");
        drop((ann, bob));
        until(|| gone.lock().unwrap().len() == 2).await;
    }
}

#[tokio::test]
async fn a_panic_of_a_decider_closes_one_client_and_others_are_served() {
    let gateway = gateway(ws(Deciding::new(Chat::default())));
    for protocol in PROTOCOLS {
        let mut ann = join(&gateway, protocol.name(), 1 << 16).await;
        let mut bob = join(&gateway, "rfc6455", 1 << 16).await;
        ann.send("panic").await;
        assert_eq!(ann.message().await, None);
        bob.send("later").await;
        // The notice that a member has left may arrive first.
        while bob.text().await != "third" {}
        bob.session.close(Some(Close::from(CloseCode::NORMAL)));
        bob.flush().await;
        while bob.message().await.is_some() {}
    }
    let _ = connect(&gateway, "rfc6455", 1 << 16).await;
}
