//! Nodes: processes whose channels a broker joins, and the fate of messages published while it is
//! down.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use polysock::apps::component::{Client, Component, ws};
use polysock::bus::Local;
use polysock::{BoxError, Channels, Message, Node, Publication, Push, Receiving};
use polysock_test_support::PATIENCE;
use tokio::time::{sleep, timeout};

/// The messages received on one channel.
struct Heard {
    texts: Arc<Mutex<Vec<String>>>,
    _receiving: Receiving,
}

impl Heard {
    fn on(channels: &Channels, name: &str) -> Self {
        let texts = Arc::<Mutex<Vec<String>>>::default();
        let hears = Arc::clone(&texts);
        let receiving = channels.receive(Some(name), move |_, publication| {
            hears.lock().unwrap().push(text(publication));
        });
        Self {
            texts,
            _receiving: receiving,
        }
    }

    fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap().clone()
    }

    async fn hears(&self, expected: &[&str]) {
        until(|| self.texts().len() >= expected.len()).await;
        assert_eq!(self.texts(), expected);
    }
}

fn text(publication: &Publication) -> String {
    match &publication.push {
        Push::Message(message) => message.as_text().unwrap_or("binary").to_owned(),
        other => format!("{other:?}"),
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it is so in time");
}

/// Starts two connected nodes, each with a subscriber to a channel.
async fn two(broker: &Local) -> [(Channels, Node, Heard); 2] {
    let start = || {
        let channels = Channels::new();
        let node = Node::start(&channels, Arc::new(broker.clone())).unwrap();
        let heard = Heard::on(&channels, "news");
        (channels, node, heard)
    };
    let both = [start(), start()];
    for (_, node, _) in &both {
        until(|| node.state().is_connected).await;
    }
    sleep(Duration::from_millis(50)).await;
    both
}

fn say(channels: &Channels, text: &str) {
    channels.publish("news", Message::text(text));
}

#[tokio::test]
async fn local_and_remote_receivers_get_a_publication_once() {
    let [(here, _a, hears), (there, _b, other)] = two(&Local::new()).await;
    say(&here, "one");
    hears.hears(&["one"]).await;
    other.hears(&["one"]).await;
    say(&there, "two");
    hears.hears(&["one", "two"]).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(other.texts(), ["one", "two"]);
    assert!(Node::start(&here, Arc::new(Local::new())).is_err());
}

#[tokio::test]
async fn publications_without_a_broker_are_sent_later_or_counted_as_lost() {
    for (broker, has_history) in [(Local::new(), false), (Local::with_history(10), true)] {
        let [(here, node, hears), (_there, other_node, other)] = two(&broker).await;
        say(&here, "before");
        other.hears(&["before"]).await;
        broker.stop();
        until(|| !node.state().is_connected && !other_node.state().is_connected).await;
        assert!(node.state().problem.is_some());
        say(&here, "meanwhile");
        hears.hears(&["before", "meanwhile"]).await;
        broker.start();
        until(|| node.state().is_connected && other_node.state().is_connected).await;
        say(&here, "after");
        until(|| other.texts().last().is_some_and(|text| text == "after")).await;
        let (texts, tally) = (other.texts(), other_node.state().tally);
        let lost = usize::try_from(tally.lost).unwrap();
        // Without a history, the node that reconnects first may publish before the other has
        // reconnected.
        assert_eq!(texts.len() + lost, 3, "{texts:?}, {tally:?}");
        assert!(lost == 0 || !has_history, "{tally:?}");
        assert_eq!((tally.gaps > 0, tally.again), (!has_history, 0));
    }
}

#[tokio::test]
async fn missed_publications_are_read_from_the_history_in_order() {
    let broker = Local::with_history(10);
    let [(here, _a, _), (_there, node, other)] = two(&broker).await;
    say(&here, "one");
    other.hears(&["one"]).await;
    // The broker cuts off one node; the other continues.
    broker.stop();
    broker.start();
    for number in 0..5 {
        say(&here, &number.to_string());
    }
    other.hears(&["one", "0", "1", "2", "3", "4"]).await;
    assert_eq!(node.state().tally.gaps, 0);
}

/// A component that records the gaps of which it is notified.
#[derive(Default)]
struct Gaps(Mutex<Vec<String>>);

impl Component for Gaps {
    async fn on_message(&self, _: &Client, _: Message) -> Result<(), BoxError> {
        Ok(())
    }

    fn on_push(&self, channel: &str, publication: &Publication) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{channel} {}", text(publication)));
    }

    fn on_gap(&self, channel: &str, lost: Option<u64>) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{channel} misses {lost:?}"));
    }
}

#[tokio::test]
async fn a_component_is_notified_of_all_channels_and_of_gaps() {
    let broker = Local::new();
    let [(here, node, _), _other] = two(&broker).await;
    let channels = Channels::new();
    let gaps = Arc::new(Gaps::default());
    let _application = ws(Arc::clone(&gaps)).pushed(&channels);
    let joined = Node::start(&channels, Arc::new(broker.clone())).unwrap();
    until(|| joined.state().is_connected).await;
    sleep(Duration::from_millis(50)).await;
    here.publish("a channel", Message::text("x"));
    until(|| gaps.0.lock().unwrap().len() == 1).await;
    broker.stop();
    until(|| !joined.state().is_connected && !node.state().is_connected).await;
    broker.start();
    until(|| gaps.0.lock().unwrap().len() == 2).await;
    let told = gaps.0.lock().unwrap().clone();
    assert_eq!(told, ["a channel x", "a channel misses None"]);
}

#[tokio::test]
async fn a_leaving_node_has_sent_all_its_publications() {
    let broker = Local::new();
    let [(here, node, _hears), (_there, other_node, other)] = two(&broker).await;
    until(|| other_node.state().others == 1).await;
    (0..100).for_each(|number| say(&here, &number.to_string()));
    node.leave().await;
    until(|| other.texts().len() == 100).await;
    until(|| other_node.state().others == 0).await;
    // The channels work locally, as without a node.
    say(&here, "alone");
    sleep(Duration::from_millis(50)).await;
    assert_eq!(other.texts().len(), 100);
}
