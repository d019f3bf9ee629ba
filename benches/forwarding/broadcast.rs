//! A broadcast to a thousand subscribers over TCP, which includes the writes to their sockets.
//!
//! The subscribers read nothing meanwhile: the written bytes stay in their sockets, which have
//! room.

use std::future::pending;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use polysock::apps::component::{Client, Clients, Component, ws};
use polysock::{Accept, Application, BoxError, Broadcast, Gateway, Handshake, Message, Queue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::yield_now;

use crate::rfc6455::RFC6455;

const SUBSCRIBERS: usize = 1000;

/// The greeting of a new subscriber.
const READY: &str = "ready";

/// Publishes `count` messages, each when the previous one has been delivered.
pub(crate) async fn run(count: usize) {
    let line = Broadcast::new();
    let application = {
        let line = line.clone();
        move |handshake: Handshake| {
            let line = line.clone();
            async move {
                let mut connection = handshake.accept(Accept::default()).await?;
                let mut subscription = line.subscribe(Queue::default());
                connection.start_send_piece(Message::from(READY).into())?;
                while let Some(message) = subscription.next(&mut connection).await {
                    message?;
                }
                Ok(())
            }
        }
    };
    deliver(application, |message| line.publish(message), count).await;
}

/// Sends `count` messages to the clients of a component in the same way.
pub(crate) async fn run_clients(count: usize) {
    let room = Arc::new(Room::default());
    let application = ws(Arc::clone(&room));
    deliver(application, |message| room.clients.send(message), count).await;
}

/// A component whose clients listen.
#[derive(Default)]
struct Room {
    clients: Clients,
}

impl Component for Room {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        self.clients.attach(client);
        client.send(READY);
        Ok(())
    }

    async fn on_message(&self, _: &Client, _: Message) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Sends `count` messages to the subscribers of an application.
async fn deliver(application: impl Application, publish: impl Fn(Message), count: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let gateway = Gateway::new(application);
    tokio::spawn(gateway.serve(listener, pending(), Duration::ZERO));
    let mut subscribers = Vec::with_capacity(SUBSCRIBERS);
    for _ in 0..SUBSCRIBERS {
        subscribers.push(subscribe(address).await.expect("a subscriber"));
    }
    // The subscribers are served in order, so the last has its message after all others.
    let mut last = subscribers.last().expect("a subscriber");
    let mut delivered = [0; 256];
    for _ in 0..count {
        publish(Message::binary(vec![b'x'; 64]));
        while last.read(&mut delivered).is_err() {
            yield_now().await;
        }
    }
}

/// Connects a client and waits for its greeting. The socket is taken out of the runtime, so that
/// received messages do not wake it.
async fn subscribe(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(RFC6455.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(READY.as_bytes()) {
        assert!(stream.read_buf(&mut answer).await? > 0, "it is served");
    }
    stream.into_std()
}
