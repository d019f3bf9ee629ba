//! Redis and NATS fulfil the library's requirements for a broker. A test whose broker is not
//! installed reports that and passes.

use std::time::Duration;

use polysock::bus::{Command, Event, Topic};
use polysock_web::bus::{BusSettings, History, Prefix, open};
use tokio::time::Instant;

use crate::brokers::{Broker, KINDS, Kind, Node, channel, history};

/// Starts the installed brokers of all kinds, each with and without a history.
fn brokers(name: &str) -> impl Iterator<Item = (Kind, Broker, Option<History>)> {
    let histories = [("-kept", history(100)), ("", None)];
    KINDS.into_iter().flat_map(move |kind| {
        let each = histories.into_iter();
        each.filter_map(move |(suffix, history)| {
            let broker = Broker::start_keeping(kind, &format!("{name}{suffix}"))?;
            Some((kind, broker, history))
        })
    })
}

/// Starts the installed brokers of all kinds.
fn keeping(name: &str) -> impl Iterator<Item = (Kind, Broker)> {
    KINDS
        .into_iter()
        .filter_map(move |kind| Some((kind, Broker::start_keeping(kind, name)?)))
}

#[tokio::test]
async fn all_nodes_get_publications_of_each_node_in_order() {
    for (kind, broker, history) in brokers("order") {
        let news = channel("news");
        let mut nodes = [broker.node(history).await, broker.node(history).await];
        for node in &mut nodes {
            assert_eq!(node.subscribe(&news).await, None, "{kind:?}");
        }
        let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        for text in &texts {
            nodes[0].send(&news, text.clone());
        }
        for node in &mut nodes {
            for expected in &texts {
                let (topic, text, place) = node.came().await;
                assert_eq!((&topic, &text), (&news, expected), "{kind:?}");
                assert_eq!(place.is_some(), history.is_some(), "{kind:?}");
            }
        }
        for ticket in 1..=100 {
            let published = Event::Published { ticket };
            nodes[0]
                .wait(|event| (*event == published).then_some(()))
                .await;
        }
        // In the other direction, from the second node to the first to have subscribed.
        nodes[1].publish(&news, "").await.unwrap();
        assert_eq!(nodes[0].came().await.1, "");
    }
}

#[tokio::test]
async fn channels_may_have_any_name() {
    let long = "ü>".repeat(100);
    let names = [
        "",
        " ",
        "a",
        "a.b",
        "a.*",
        "*",
        ">",
        "a b\r\nPUB",
        "Zoë",
        "[a-z]?",
        &long,
    ];
    for (kind, broker, history) in brokers("names") {
        let mut node = broker.node(history).await;
        for name in names {
            assert_eq!(node.subscribe(&channel(name)).await, None, "{kind:?}");
        }
        for name in names {
            node.publish(&channel(name), name.to_owned()).await.unwrap();
        }
        for _ in names {
            let (topic, text, _) = node.came().await;
            assert_eq!(topic, channel(&text), "{kind:?}");
        }
        if history.is_some() {
            for name in names {
                let (entries, is_whole) = node.past(name, 0, 10).await;
                assert_eq!(entries.len(), 1, "{kind:?} {name}");
                assert_eq!(entries[0].1, name, "{kind:?}");
                assert!(is_whole, "{kind:?} {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_node_gets_only_channels_that_it_subscribes_to() {
    for (kind, broker, history) in brokers("unsubscribed") {
        let [left, kept] = ["left", "kept"].map(channel);
        let mut node = broker.node(history).await;
        node.subscribe(&left).await;
        node.subscribe(&kept).await;
        node.publish(&left, "before").await.unwrap();
        assert_eq!(node.came().await.1, "before", "{kind:?}");
        node.command(Command::Unsubscribe(left.clone()));
        node.command(Command::Unsubscribe(channel("never was there")));
        // The next confirmation arrives after the unsubscription has taken effect.
        node.subscribe(&channel("other")).await;
        node.publish(&left, "after").await.unwrap();
        node.publish(&kept, "kept").await.unwrap();
        assert_eq!(node.came().await.1, "kept", "{kind:?}");
        node.subscribe(&left).await;
        node.publish(&left, "again").await.unwrap();
        assert_eq!(node.came().await.1, "again", "{kind:?}");
    }
}

#[tokio::test]
async fn a_node_gets_all_channels_but_no_messages_between_nodes() {
    for (kind, broker, history) in brokers("all") {
        let mut all = broker.node(history).await;
        let mut nodes = broker.node(history).await;
        all.subscribe(&Topic::Channels).await;
        nodes.subscribe(&Topic::Nodes).await;
        for name in ["a", "b.c", "*", ""] {
            nodes.publish(&channel(name), name).await.unwrap();
        }
        nodes.publish(&Topic::Nodes, "I am here").await.unwrap();
        nodes.publish(&channel("last"), "last").await.unwrap();
        let (topic, text, place) = nodes.came().await;
        assert_eq!((topic, text.as_str()), (Topic::Nodes, "I am here"));
        assert_eq!(place, None, "{kind:?}");
        for expected in ["a", "b.c", "*", "", "last"] {
            let (topic, text, place) = all.came().await;
            assert_eq!((topic, text.as_str()), (channel(expected), expected));
            assert_eq!(place.is_some(), history.is_some(), "{kind:?}");
        }
        all.command(Command::Unsubscribe(Topic::Channels));
        all.subscribe(&Topic::Nodes).await;
        nodes.publish(&channel("a"), "a").await.unwrap();
        nodes.publish(&Topic::Nodes, "still").await.unwrap();
        assert_eq!(all.came().await.1, "still", "{kind:?}");
    }
}

#[tokio::test]
async fn sites_share_a_broker() {
    for (kind, broker) in keeping("sites") {
        let mut nodes = Vec::new();
        for prefix in ["one", "two"] {
            let settings = BusSettings {
                prefix: Prefix::new(prefix).unwrap(),
                history: history(10),
            };
            let bus = open(&broker.url, &settings).unwrap();
            let mut node = Node::connect(&*bus).await.unwrap();
            node.subscribe(&Topic::Channels).await;
            nodes.push(node);
        }
        for (index, text) in ["of one", "of two"].into_iter().enumerate() {
            nodes[index].publish(&channel("news"), text).await.unwrap();
        }
        for (node, expected) in nodes.iter_mut().zip(["of one", "of two"]) {
            assert_eq!(node.came().await.1, expected, "{kind:?}");
            assert_eq!(node.past("news", 0, 9).await.0.len(), 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_history_returns_entries_with_their_places() {
    for (kind, broker) in keeping("history") {
        let news = channel("news");
        let mut node = broker.node(history(100)).await;
        assert!(broker.bus(history(1)).has_history());
        assert_eq!(node.past("news", 0, 10).await, (vec![], true), "{kind:?}");
        node.subscribe(&news).await;
        let mut places = Vec::new();
        for text in ["one", "two", "three"] {
            node.publish(&channel("other"), "between").await.unwrap();
            node.publish(&news, text).await.unwrap();
            places.push(node.came().await.2.unwrap());
        }
        let [first, second, third] = [0, 1, 2].map(|index| places[index].offset);
        let previous: Vec<u64> = places.iter().map(|place| place.previous).collect();
        assert_eq!(previous, [0, first, second], "{kind:?}");
        assert!(0 < first && first < second && second < third, "{kind:?}");

        let mut later = broker.node(history(100)).await;
        assert_eq!(later.subscribe(&news).await, Some(third), "{kind:?}");
        assert_eq!(later.subscribe(&channel("new")).await, None, "{kind:?}");
        let entry = |index: usize| {
            let text = ["one", "two", "three"][index];
            (places[index].offset, text.into())
        };
        for (after, most, expected) in [
            (0, 10, vec![entry(0), entry(1), entry(2)]),
            (0, 2, vec![entry(0), entry(1)]),
            (first, 10, vec![entry(1), entry(2)]),
            (second, 1, vec![entry(2)]),
            (third, 10, vec![]),
        ] {
            let past = later.past("news", after, most).await;
            assert_eq!(past, (expected, true), "{kind:?} {after}");
        }
    }
}

#[tokio::test]
async fn a_history_has_a_maximum_length() {
    for (kind, broker) in keeping("trimmed") {
        let news = channel("news");
        let mut node = broker.node(history(3)).await;
        node.subscribe(&news).await;
        let mut offsets = Vec::new();
        for number in 0..6 {
            node.publish(&news, number.to_string()).await.unwrap();
            offsets.push(node.came().await.2.unwrap().offset);
        }
        // Three are kept. The entries after the fourth are complete.
        for (after, most, expected, whole) in [
            (0, 10, &offsets[3..], false),
            (offsets[0], 10, &offsets[3..], false),
            (offsets[1], 2, &offsets[3..5], false),
            (offsets[3], 10, &offsets[4..], true),
            (offsets[5], 10, &[][..], true),
        ] {
            let (entries, is_whole) = node.past("news", after, most).await;
            let found: Vec<u64> = entries.iter().map(|(offset, _)| *offset).collect();
            assert_eq!((&found[..], is_whole), (expected, whole), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_history_has_a_maximum_age() {
    for (kind, broker) in keeping("expired") {
        let age = Duration::from_secs(1);
        let mut node = broker.node(Some(History { len: 10, age })).await;
        node.subscribe(&channel("news")).await;
        node.publish(&channel("news"), "old").await.unwrap();
        let offset = node.came().await.2.unwrap().offset;
        let begun = Instant::now();
        loop {
            let (entries, is_whole) = node.past("news", 0, 10).await;
            if entries.is_empty() {
                // An expired publication is missing.
                assert!(!is_whole, "{kind:?}");
                break;
            }
            assert!(begun.elapsed() < 10 * age, "{kind:?}");
        }
        let past = node.past("news", offset, 10).await;
        assert_eq!(past, (vec![], true), "{kind:?}");
        node.publish(&channel("news"), "new").await.unwrap();
        assert!(node.came().await.2.unwrap().offset > offset, "{kind:?}");
    }
}

#[tokio::test]
async fn places_grow_after_a_broker_lost_its_data() {
    for kind in KINDS {
        let mut last = 0;
        for _ in 0..2 {
            let Some(broker) = Broker::start_keeping(kind, "forgotten") else {
                break;
            };
            let mut node = broker.node(history(10)).await;
            node.subscribe(&channel("news")).await;
            node.publish(&channel("news"), "hello").await.unwrap();
            let place = node.came().await.2.unwrap();
            assert!(place.offset > last, "{kind:?}");
            assert_eq!(place.previous, 0, "{kind:?}");
            if last > 0 {
                // Any number of publications may be missing in between.
                let (entries, is_whole) = node.past("news", last, 10).await;
                assert_eq!((entries.len(), is_whole), (1, false), "{kind:?}");
            }
            last = place.offset;
        }
    }
}

#[tokio::test]
async fn only_a_publication_over_the_broker_limit_is_refused() {
    for kind in KINDS {
        let (options, setting): (&[&str], _) = match kind {
            Kind::Redis => (&["--proto-max-bulk-len", "1048576"], "`proto-max-bulk-len`"),
            Kind::Nats => (&["-js"], "`max_payload`"),
        };
        let Some(broker) = Broker::start(kind, "refused", options) else {
            continue;
        };
        for history in [history(10), None] {
            let mut node = broker.node(history).await;
            node.subscribe(&channel("news")).await;
            let reason = node
                .publish(&channel("news"), vec![b'x'; 1024 * 1024 + 1])
                .await;
            let reason = reason.unwrap_err();
            assert!(reason.contains(setting), "{kind:?}: {reason}");
            assert!(reason.contains("1048577"), "{kind:?}: {reason}");
            let long = vec![b'x'; 1_000_000];
            node.publish(&channel("news"), long).await.unwrap();
            assert_eq!(node.came().await.1.len(), 1_000_000, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn nats_has_no_room_for_very_long_names() {
    let Some(broker) = Broker::start_keeping(Kind::Nats, "long-names") else {
        return;
    };
    for history in [history(10), None] {
        let mut node = broker.node(history).await;
        for (len, fits) in [(2_600, true), (3_000, false)] {
            let topic = channel(&"x".repeat(len));
            assert_eq!(node.subscribe(&topic).await, None);
            let published = node.publish(&topic, "hello").await;
            assert_eq!(published.is_ok(), fits, "{published:?}");
            if fits {
                assert_eq!(node.came().await.0, topic);
            }
            let (entries, is_whole) = node.past(&"x".repeat(len), 0, 1).await;
            assert_eq!(entries.len() == 1, fits && history.is_some());
            assert_eq!(is_whole, history.is_some());
            node.command(Command::Unsubscribe(topic));
        }
    }
}
