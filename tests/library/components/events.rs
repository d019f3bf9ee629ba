//! The events of a component, their order, and the output during a handler.

use std::sync::{Arc, Mutex};

use polysock::apps::component::{Client, Clients, Component, Serial, SerialComponent, ws};
use polysock::protocols::PROTOCOLS;
use polysock::upstream::Captures;
use polysock::{BoxError, Close, CloseCode, Message};
use polysock_test_support::member::Way;
use tokio::sync::Notify;

use super::{Chat, connect, gateway, gateway_to, join, until, ways};

#[tokio::test]
async fn clients_of_every_protocol_talk_to_each_other() {
    for way in [Way::Memory(1 << 16), Way::Tcp] {
        let chat = Arc::new(Chat::default());
        let gateway = gateway_to(&chat);
        let mut members = Vec::new();
        for protocol in PROTOCOLS {
            members.push(join(&gateway, protocol.name(), way).await);
        }
        assert_eq!(chat.clients.len(), members.len());
        for speaker in 0..members.len() {
            let said = format!("{speaker} speaks");
            members[speaker].send(said.as_str()).await;
            for (listener, member) in members.iter_mut().enumerate() {
                if listener != speaker {
                    assert_eq!(member.text().await, said, "{listener} {way:?}");
                }
            }
        }
        drop(members);
        until(|| chat.clients.is_empty()).await;
    }
}

/// A component that records its events.
#[derive(Default)]
struct Diary {
    entries: Mutex<Vec<String>>,
    clients: Clients,
    /// Releases the `on_message` handlers of clients that sent `wait`.
    go: Notify,
}

impl Diary {
    fn write(&self, entry: String) {
        self.entries.lock().unwrap().push(entry);
    }

    fn has(&self, entry: &str) -> bool {
        self.entries().iter().any(|other| other == entry)
    }

    fn entries(&self) -> Vec<String> {
        self.entries.lock().unwrap().clone()
    }
}

impl Component for Diary {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        self.write(format!("open {}", client.protocol()));
        // The open of a client is handled before its messages, even if it takes long.
        tokio::task::yield_now().await;
        self.clients.attach(client);
        self.write("opened".to_owned());
        Ok(())
    }

    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        let text = message.as_text().unwrap_or_default().to_owned();
        self.write(format!("begin {text}"));
        match &*text {
            "wait" => self.go.notified().await,
            "bye" => {
                from.send("last");
                from.close(Close::new(CloseCode::NORMAL, "as you like"));
                from.send("too late");
                from.close(CloseCode::GOING_AWAY);
            }
            _ => {
                tokio::task::yield_now().await;
                from.send(message);
            }
        }
        self.write(format!("end {text}"));
        Ok(())
    }

    async fn on_close(&self, client: &Client) {
        self.clients.detach(client);
        let closed = client.closed().expect("it has gone");
        self.write(format!("close {}", closed.clean));
    }
}

#[tokio::test]
async fn events_of_a_client_are_handled_one_after_the_other() {
    for (name, way) in ways() {
        let diary = Arc::new(Diary::default());
        let gateway = gateway_to(&diary);
        let mut member = connect(&gateway, name, way).await;
        for text in ["a", "b", "bye", "late"] {
            member.session.send(text.into()).unwrap();
        }
        member.flush().await;
        for expected in ["a", "b", "last"] {
            assert_eq!(member.text().await, expected, "{name} {way:?}");
        }
        assert_eq!(member.message().await, None, "{name} {way:?}");
        drop(member);
        let expected = [
            &*format!("open {name}"),
            "opened",
            "begin a",
            "end a",
            "begin b",
            "end b",
            "begin bye",
            "end bye",
        ];
        until(|| diary.entries().len() == 9).await;
        let entries = diary.entries();
        assert_eq!(entries[..8], expected, "{name} {way:?}");
        assert!(entries[8].starts_with("close"), "{name} {way:?}");
        assert!(diary.clients.is_empty());
    }
}

#[tokio::test]
async fn a_client_that_leaves_immediately_is_opened_and_closed() {
    for (name, way) in ways() {
        let diary = Arc::new(Diary::default());
        let gateway = gateway_to(&diary);
        drop(connect(&gateway, name, way).await);
        until(|| diary.entries().len() == 3).await;
        let entries = diary.entries();
        assert_eq!(entries[..2], [&*format!("open {name}"), "opened"]);
        assert!(entries[2].starts_with("close"), "{entries:?}");
    }
}

#[tokio::test]
async fn a_slow_handler_delays_no_other_client_and_no_message_to_its_own() {
    for (name, way) in ways() {
        let diary = Arc::new(Diary::default());
        let gateway = gateway_to(&diary);
        let mut slow = connect(&gateway, name, way).await;
        slow.send("wait").await;
        until(|| diary.has("begin wait")).await;
        let mut other = connect(&gateway, "rfc6455", way).await;
        other.send("quick").await;
        assert_eq!(other.text().await, "quick", "{name} {way:?}");
        diary.clients.send("to all");
        assert_eq!(slow.text().await, "to all", "{name} {way:?}");
        // The next message of the client waits until the handler has returned.
        slow.send("next").await;
        diary.clients.send("again");
        assert_eq!(slow.text().await, "again", "{name} {way:?}");
        assert!(!diary.has("begin next"));
        diary.go.notify_one();
        assert_eq!(slow.text().await, "next", "{name} {way:?}");
    }
}

#[tokio::test]
async fn a_close_is_sent_while_a_handler_waits() {
    for (name, way) in ways() {
        let diary = Arc::new(Diary::default());
        let gateway = gateway_to(&diary);
        let mut slow = connect(&gateway, name, way).await;
        slow.send("wait").await;
        until(|| diary.has("begin wait")).await;
        for client in diary.clients.all() {
            client.send("before");
            client.close(CloseCode::NORMAL);
            client.send("after");
        }
        assert_eq!(slow.text().await, "before", "{name} {way:?}");
        diary.go.notify_one();
        assert_eq!(slow.message().await, None, "{name} {way:?}");
    }
}

#[tokio::test]
async fn a_client_carries_its_request() {
    let known = |client: &Client| -> Option<String> {
        let request = client.request()?;
        let cookie = request.head.value("cookie").map(<[u8]>::to_vec);
        let cookie = String::from_utf8(cookie.unwrap_or_default()).ok()?;
        Some(format!(
            "{} {} {} {cookie}",
            client.protocol(),
            request.host,
            request.target
        ))
    };
    struct Knows<F>(F);
    impl<F: Fn(&Client) -> Option<String> + Send + Sync + 'static> Component for Knows<F> {
        async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
            client.insert((self.0)(client).expect("it asks for something"));
            Ok(())
        }

        async fn on_message(&self, from: &Client, _: Message) -> Result<(), BoxError> {
            // The store of a client holds one value of each type.
            assert_eq!(from.get::<u32>(), None);
            assert_eq!(from.insert(1_u32), None);
            assert_eq!(from.insert(2_u32), Some(1));
            assert_eq!(from.get::<u32>(), Some(2));
            assert_eq!(from.remove::<u32>(), Some(2));
            assert!(from.get::<Captures>().is_none());
            let kept = from.request().is_some();
            from.send(format!(
                "{} {kept}",
                from.get::<String>().unwrap_or_default()
            ));
            Ok(())
        }
    }
    for keeps in [false, true] {
        let gateway = gateway(ws(Knows(known)).keep_requests(keeps));
        for (name, way) in ways() {
            let mut member = connect(&gateway, name, way).await;
            member.send("who am I?").await;
            let expected = format!("{name} example.com /  {keeps}");
            assert_eq!(member.text().await, expected);
        }
    }
}

/// A serial component that counts, and yields in the middle.
#[derive(Default)]
struct Counter {
    count: u32,
}

impl SerialComponent for Counter {
    async fn on_message(&mut self, from: &Client, _: Message) -> Result<(), BoxError> {
        let count = self.count;
        // Another handler could run here if handlers were concurrent.
        tokio::task::yield_now().await;
        self.count = count + 1;
        from.send(self.count.to_string());
        Ok(())
    }
}

#[tokio::test]
async fn a_serial_component_handles_one_event_at_a_time() {
    let gateway = gateway(ws(Serial::new(Counter::default())));
    let mut members = Vec::new();
    for _ in 0..8 {
        members.push(connect(&gateway, "rfc6455", Way::Tcp).await);
    }
    for member in &mut members {
        for _ in 0..50 {
            member.session.send("count".into()).unwrap();
        }
        member.flush().await;
    }
    let mut counts = Vec::new();
    for member in &mut members {
        for _ in 0..50 {
            counts.push(member.text().await.parse::<u32>().unwrap());
        }
    }
    counts.sort_unstable();
    assert!(counts.into_iter().eq(1..=400));
}
