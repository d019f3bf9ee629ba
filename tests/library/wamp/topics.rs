//! Topics: their subscribers, and the removal of unused topics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use polysock::apps::wamp::{
    Answer, Args, CallId, Json, RawValue, Receivers, Topic, Topics, Wamp, WampClient, WampError,
    WampServer,
};
use polysock::{BoxError, CloseCode};

use super::{Echo, WampMember, gateway_of, gateway_to, until, ways};

#[tokio::test]
async fn a_topic_that_is_kept_outlives_its_last_subscriber() {
    let server = WampServer::new(Echo);
    let topics = server.topics();
    let kept = topics.get("t");
    let gateway = gateway_to(server);
    let event = Json::from("event");
    for (protocol, way) in ways() {
        for leaves in [true, false] {
            let mut member = WampMember::join_in(&gateway, protocol, way).await;
            member.subscribe("t").await;
            assert_eq!((kept.len(), kept.is_empty()), (1, false));
            kept.broadcast(&event);
            member.hears("[8,\"t\",\"event\"]").await;
            assert_eq!(topics.get("t"), kept);
            if leaves {
                member.say("[6,\"t\"]").await;
                member.is_up_to_date().await;
                assert!(kept.is_empty());
                kept.broadcast(&event);
                member.is_up_to_date().await;
            } else {
                drop(member);
                until(|| kept.is_empty()).await;
            }
        }
    }
}

#[tokio::test]
async fn topics_without_subscribers_are_forgotten() {
    let server = WampServer::new(Echo);
    let topics = server.topics();
    let gateway = gateway_to(server);
    let mut member = WampMember::join(&gateway).await;
    // Messages that have left topics behind in other servers.
    for number in 0..1000 {
        member.say(&format!("[7,\"published {number}\",1]")).await;
        member.say(&format!("[6,\"left {number}\"]")).await;
        member.say(&format!("[2,1,\"called {number}\"]")).await;
        member.member.text().await;
    }
    member.is_up_to_date().await;
    assert!(topics.is_empty(), "{topics:?}");
    member.subscribe("t").await;
    assert_eq!(topics.len(), 1);
    member.say("[6,\"t\"]").await;
    member.is_up_to_date().await;
    assert!(topics.is_empty());
    // A topic stays as long as a handle to it exists, whoever subscribes and leaves.
    let (first, second) = (topics.get("t"), topics.get("t"));
    let clone = first.clone();
    member.subscribe("t").await;
    drop(first);
    member.say("[6,\"t\"]").await;
    member.is_up_to_date().await;
    drop(second);
    assert_eq!(topics.all(), [topics.get("t")]);
    drop(clone);
    assert!(topics.is_empty());
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_only_its_own_topics() {
    let server = WampServer::new(Echo);
    let topics = server.topics();
    let gateway = gateway_to(server);
    let mut stays = WampMember::join(&gateway).await;
    stays.subscribe("shared").await;
    for (protocol, way) in ways() {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        for number in 0..20 {
            member.say(&format!("[5,\"own {number}\"]")).await;
        }
        member.subscribe("shared").await;
        assert_eq!((topics.len(), topics.get("shared").len()), (21, 2));
        drop(member);
        until(|| topics.len() == 1 && topics.get("shared").len() == 1).await;
    }
    stays.say("[7,\"shared\",1,false]").await;
    stays.hears("[8,\"shared\",1]").await;
}

#[tokio::test]
async fn a_client_that_subscribes_twice_is_subscribed_once() {
    let watcher = Arc::new(Watcher::default());
    let gateway = gateway_of(&watcher);
    let mut member = WampMember::join(&gateway).await;
    member.subscribe("t").await;
    member.subscribe("t").await;
    member.say("[7,\"t\",1,false]").await;
    member.hears("[8,\"t\",1]").await;
    member.is_up_to_date().await;
    for _ in 0..2 {
        member.say("[6,\"t\"]").await;
    }
    member.is_up_to_date().await;
    let told = ["open", "subscribe t", "publish t 1", "unsubscribe t"];
    assert_eq!(watcher.told(), told);
}

/// An application that records its events, and refuses subscriptions to `secret`.
#[derive(Default)]
struct Watcher {
    told: Mutex<Vec<String>>,
    closed: AtomicUsize,
}

impl Watcher {
    fn tell(&self, what: String) {
        self.told.lock().unwrap().push(what);
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

impl Wamp for Watcher {
    async fn on_open(&self, _: &WampClient) -> Result<(), BoxError> {
        self.tell("open".to_owned());
        Ok(())
    }

    async fn on_call(
        &self,
        _: &WampClient,
        _: CallId<'_>,
        _: &str,
        args: Args<'_>,
    ) -> Result<Answer, WampError> {
        Answer::of(&args.get(0))
    }

    async fn on_subscribe(&self, client: &WampClient, topic: &Topic) -> bool {
        self.tell(format!("subscribe {topic}"));
        assert!(!topic.contains(client) && !client.is_subscribed(topic.name()));
        // A slow lookup.
        tokio::task::yield_now().await;
        if topic.name() == "current" {
            client.event("current", &Json::from("so far"));
        }
        topic.name() != "secret"
    }

    async fn on_unsubscribe(&self, client: &WampClient, topic: &Topic) {
        assert!(!topic.contains(client) && !client.is_subscribed(topic.name()));
        self.tell(format!("unsubscribe {topic}"));
    }

    async fn on_publish(
        &self,
        client: &WampClient,
        topic: &Topic,
        event: &RawValue,
        receivers: &Receivers,
    ) {
        self.tell(format!("publish {topic} {event}"));
        match topic.name() {
            "forbidden" => client.close(CloseCode::POLICY_VIOLATION),
            "changed" => {
                let changed = Json::parse(format!("{{\"from\":{event}}}")).unwrap();
                topic.broadcast_to(&changed, receivers);
            }
            "others" => topic.broadcast_to(event, &Receivers::all().except([client.session()])),
            _ => topic.broadcast_to(event, receivers),
        }
    }

    async fn on_close(&self, client: &WampClient) {
        assert!(client.client().closed().is_some() && !client.is_subscribed("t"));
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn an_application_can_accept_refuse_and_change_publications() {
    let watcher = Arc::new(Watcher::default());
    let server = WampServer::new(Arc::clone(&watcher));
    let topics = server.topics();
    let gateway = gateway_to(server);
    for (protocol, way) in ways() {
        let mut member = WampMember::join_in(&gateway, protocol, way).await;
        let mut other = WampMember::join_in(&gateway, protocol, way).await;
        member.subscribe("secret").await;
        assert!(topics.is_empty());
        topics.get("secret").broadcast(&Json::from("hidden"));
        member.is_up_to_date().await;
        member.say("[5,\"current\"]").await;
        member.hears("[8,\"current\",\"so far\"]").await;
        member.subscribe("changed").await;
        other.subscribe("changed").await;
        other.say("[7,\"changed\",1]").await;
        member.hears("[8,\"changed\",{\"from\":1}]").await;
        other.is_up_to_date().await;
        member.subscribe("others").await;
        other.subscribe("others").await;
        other.say("[7,\"others\",1,false]").await;
        member.hears("[8,\"others\",1]").await;
        other.is_up_to_date().await;
        let subscribers = topics.get("changed").subscribers();
        let names: Vec<_> = subscribers
            .iter()
            .map(|client| client.session().to_string())
            .collect();
        assert_eq!(names, [&*member.session, &*other.session]);
        drop(subscribers);
        other.say("[7,\"forbidden\",1]").await;
        assert_eq!(other.member.message().await, None, "{protocol}");
        member.is_up_to_date().await;
        drop((member, other));
        until(|| watcher.closed.swap(0, Ordering::Relaxed) == 2 || topics.is_empty()).await;
        until(|| topics.is_empty()).await;
        watcher.closed.store(0, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn servers_may_have_topics_in_common() {
    let topics = Topics::new();
    let first = gateway_to(WampServer::new(Echo).with_topics(topics.clone()));
    let second = gateway_to(WampServer::new(Echo).with_topics(topics));
    let mut publisher = WampMember::join(&first).await;
    let mut subscriber = WampMember::join(&second).await;
    subscriber.subscribe("t").await;
    publisher.say("[7,\"t\",1]").await;
    subscriber.hears("[8,\"t\",1]").await;
    let excluded = format!("[7,\"t\",2,[\"{}\"]]", subscriber.session);
    publisher.say(&excluded).await;
    publisher.is_up_to_date().await;
    subscriber.is_up_to_date().await;
}

#[test]
fn topics_may_be_used_and_dropped_on_many_threads() {
    let topics = Topics::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..20_000 {
                    let topic = topics.get(["a", "b", "c"][number % 3]);
                    let clone = topic.clone();
                    assert_eq!(topics.get(topic.name()), clone);
                    drop(topic);
                    clone.broadcast(RawValue::NULL);
                }
            });
        }
    });
    assert!(topics.is_empty());
    // A topic may outlive its `Topics`.
    let topic = topics.get("a");
    drop(topics);
    topic.broadcast(RawValue::NULL);
}
