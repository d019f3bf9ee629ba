//! Connections to brokers: how they begin and end, and their limits.

use std::time::Duration;

use polysock::bus::{Event, Topic};
use polysock_web::bus::{BusSettings, BusUrlError, History, open};
use tokio::time::Instant;

use crate::brokers::{Broker, KINDS, Kind, Node, channel, history};

/// Connects and returns the error.
async fn fails(url: &str, history: Option<History>) -> String {
    let settings = BusSettings {
        history,
        ..BusSettings::default()
    };
    let bus = open(url, &settings).unwrap();
    let connected = Node::connect(&*bus).await;
    connected.err().expect("an error").to_string()
}

#[tokio::test]
async fn a_link_ends_when_its_broker_is_killed() {
    for kind in KINDS {
        for history in [history(10), None] {
            let Some(broker) = Broker::start_keeping(kind, "killed") else {
                continue;
            };
            let mut node = broker.node(history).await;
            node.subscribe(&channel("news")).await;
            node.publish(&channel("news"), "hello").await.unwrap();
            node.came().await;
            let begun = Instant::now();
            broker.process.signal("KILL");
            let error = node.next().await.unwrap_err();
            assert!(begun.elapsed() < Duration::from_secs(2), "{kind:?}");
            let names_it = error.to_string().to_lowercase();
            assert!(
                names_it.contains(&format!("{kind:?}").to_lowercase()),
                "{error}"
            );
            // The link does not recover.
            node.send(&channel("news"), "lost");
            assert!(node.next().await.is_err(), "{kind:?}");
            assert!(Node::connect(&*broker.bus(history)).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_broker_that_hangs_is_disconnected() {
    for kind in KINDS {
        for history in [history(10), None] {
            let Some(broker) = Broker::start_keeping(kind, "hangs") else {
                continue;
            };
            let mut node = broker.node(history).await;
            node.subscribe(&channel("news")).await;
            broker.process.signal("STOP");
            tokio::time::pause();
            let begun = Instant::now();
            node.send(&channel("news"), "hello");
            let error = loop {
                match node.next().await {
                    Ok(event) => assert!(!matches!(event, Event::Published { .. })),
                    Err(error) => break error,
                }
            };
            assert_eq!(begun.elapsed().as_secs(), 10, "{kind:?}: {error}");
            assert_eq!(error.to_string(), "the broker has not answered for 10 s");
            tokio::time::resume();
            broker.process.signal("CONT");
        }
    }
}

#[tokio::test]
async fn ten_thousand_messages_are_published_at_once() {
    const COUNT: u64 = 10_000;
    for kind in KINDS {
        for history in [history(100), None] {
            let Some(broker) = Broker::start_keeping(kind, "many") else {
                continue;
            };
            let mut node = broker.node(history).await;
            node.subscribe(&channel("news")).await;
            let begun = Instant::now();
            for number in 1..=COUNT {
                node.send(&channel("news"), number.to_string());
            }
            let (mut published, mut came) = (0, 0);
            while published < COUNT || came < COUNT {
                match node.next().await.unwrap() {
                    Event::Published { ticket } => {
                        published += 1;
                        assert_eq!(ticket, published, "{kind:?}");
                    }
                    Event::Came { envelope, .. } => {
                        came += 1;
                        assert_eq!(envelope, came.to_string(), "{kind:?}");
                    }
                    event => panic!("{kind:?}: {event:?}"),
                }
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_future_that_is_dropped_loses_nothing() {
    for kind in KINDS {
        let Some(broker) = Broker::start_keeping(kind, "dropped") else {
            continue;
        };
        let mut node = broker.node(history(10)).await;
        node.subscribe(&Topic::Channels).await;
        for number in 1..=500 {
            node.send(&channel("news"), number.to_string());
        }
        let (mut published, mut came) = (0, 0);
        let begun = Instant::now();
        while published < 500 || came < 500 {
            match node.ready().transpose().unwrap() {
                Some(Event::Published { .. }) => published += 1,
                Some(Event::Came { envelope, .. }) => {
                    came += 1;
                    assert_eq!(envelope, came.to_string(), "{kind:?}");
                }
                Some(event) => panic!("{kind:?}: {event:?}"),
                None => tokio::task::yield_now().await,
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_login_is_reported_with_its_reason() {
    let options = ["--requirepass", "s3cret"];
    if let Some(broker) = Broker::start(Kind::Redis, "password", &options) {
        let error = fails(&broker.url, None).await;
        assert!(error.contains("redis://:PASSWORD@HOST"), "{error}");
        let url = |password: &str| format!("{}?pass={password}", broker.url);
        let error = fails(&url("wr0ng"), None).await;
        assert!(error.contains("refuses the user"), "{error}");
        assert!(!error.contains("wr0ng"), "{error}");
        let bus = open(&url("s3cret"), &BusSettings::default()).unwrap();
        assert!(!format!("{bus:?}").contains("s3cret"), "{bus:?}");
        Node::connect(&*bus).await.unwrap();
    }
    let options = ["--user", "ann", "--pass", "s3cret"];
    if let Some(broker) = Broker::start(Kind::Nats, "password", &options) {
        let url = |user: &str| broker.url.replace("//", &format!("//{user}@"));
        for wrong in [broker.url.clone(), url("ann:wr0ng")] {
            let error = fails(&wrong, None).await;
            assert!(error.contains("nats://USER:PASSWORD@HOST"), "{error}");
            assert!(!error.contains("wr0ng"), "{error}");
        }
        let bus = open(&url("ann:s3cret"), &BusSettings::default()).unwrap();
        assert!(!format!("{bus:?}").contains("s3cret"), "{bus:?}");
        Node::connect(&*bus).await.unwrap();
    }
}

#[tokio::test]
async fn an_unavailable_history_is_an_error_with_its_reason() {
    let Some(broker) = Broker::start(Kind::Nats, "no-jetstream", &[]) else {
        return;
    };
    let error = fails(&broker.url, history(10)).await;
    assert!(error.contains("start nats-server with -js"), "{error}");
    let broker = Broker::start_keeping(Kind::Nats, "conflict").unwrap();
    broker.node(history(10)).await;
    broker.node(history(10)).await;
    let error = fails(&broker.url, history(20)).await;
    assert!(
        error.contains("`max_msgs_per_subject` is 10 there, and 20 here"),
        "{error}"
    );
}

#[test]
fn other_urls_are_no_brokers() {
    for url in [
        "",
        "redis",
        "http://127.0.0.1",
        "redis://",
        "nats://u:secret@/",
    ] {
        let error = open(url, &BusSettings::default()).unwrap_err();
        assert!(matches!(error, BusUrlError::NoBroker { .. }), "{url}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
