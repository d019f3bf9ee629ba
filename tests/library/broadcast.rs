//! What is published reaches every subscriber in its own protocol and in order, whoever else is
//! slow, leaves, closes or is in the middle of a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use polysock::protocols::{PROTOCOLS, find};
use polysock::{
    Accept, BinaryOverText, BoxError, Broadcast, CloseCode, Gateway, Handshake, Kind, Message,
    Overflow, Pages, Piece, Queue, Settings,
};
use polysock_test_support::PATIENCE;
use polysock_test_support::member::{Member, Way, number, numbered};
use tokio::time::timeout;

/// What a subscriber is greeted with, once it is one.
const READY: &str = "ready";

/// Connects in a protocol, and waits until it is subscribed.
async fn join(gateway: &Gateway, protocol: &str, way: impl Into<Way>) -> Member {
    let stream = way.into().go(gateway.clone()).await;
    let mut member = Member::open(stream, find(protocol).unwrap()).await;
    assert_eq!(member.text().await, READY, "{protocol}");
    member
}

/// Gets what is published, with this queue, and publishes what it says.
fn gateway(line: &Broadcast, queue: Queue) -> Gateway {
    gateway_with(line, queue, BinaryOverText::Close)
}

fn gateway_with(line: &Broadcast, queue: Queue, binary_over_text: BinaryOverText) -> Gateway {
    let line = line.clone();
    let application = move |handshake: Handshake| {
        let line = line.clone();
        async move {
            let accept = Accept {
                binary_over_text,
                ..Accept::default()
            };
            let mut connection = handshake.accept(accept).await?;
            let mut subscription = line.subscribe(queue);
            connection.feed(READY.into()).await?;
            while let Some(message) = subscription.next(&mut connection).await.transpose()? {
                line.publish(message);
            }
            Ok(())
        }
    };
    with_all_protocols(application)
}

/// The protocols with binary messages. A client of hybi-02 that has not spoken may be one of the
/// old framing, and is spoken to in that.
fn binary_names() -> impl Iterator<Item = &'static str> + Clone {
    names().filter(|name| find(name).unwrap().capabilities().binary && *name != "hybi-02")
}

fn with_all_protocols(application: impl polysock::Application) -> Gateway {
    let settings = Settings {
        protocols: PROTOCOLS.to_vec(),
        ..Settings::default()
    };
    Gateway::with_settings(application, settings, Pages::default())
}

fn names() -> impl Iterator<Item = &'static str> + Clone {
    PROTOCOLS.iter().map(|protocol| protocol.name())
}

/// Every protocol, each way.
fn ways() -> impl Iterator<Item = (&'static str, Way)> {
    names().flat_map(|name| [(name, Way::Memory(1 << 20)), (name, Way::Tcp)])
}

#[tokio::test]
async fn every_protocol_hears_every_other() {
    let line = Broadcast::new();
    let gateway = gateway(&line, Queue::default());
    let mut clients = Vec::new();
    for name in names() {
        clients.push(join(&gateway, name, 1 << 20).await);
        clients.push(join(&gateway, name, Way::Tcp).await);
    }
    for speaker in 0..clients.len() {
        for len in [0, 1, 125, 126, 5000, 70_000] {
            let text = format!("{speaker:02}").repeat(len);
            clients[speaker].send(&*text).await;
            for client in &mut clients {
                assert_eq!(client.text().await, text);
            }
        }
    }
}

#[tokio::test]
async fn binary_goes_to_those_that_have_it_and_closes_the_others() {
    for name in names() {
        let binary = binary_names().any(|other| other == name);
        let line = Broadcast::new();
        let strict = gateway(&line, Queue::default());
        let lenient = gateway_with(&line, Queue::default(), BinaryOverText::Base64);
        let mut strict = join(&strict, name, 4096).await;
        let mut lenient = join(&lenient, name, 4096).await;
        let mut other = join(&gateway(&line, Queue::default()), "rfc6455", 4096).await;
        line.publish(Message::binary(vec![0xff; 3]));
        line.publish("after".into());
        let sent = Message::binary(vec![0xff; 3]);
        assert_eq!(other.message().await, Some(sent.clone()));
        assert_eq!(other.text().await, "after", "beside {name}");
        let as_text = if binary { sent } else { "////".into() };
        assert_eq!(lenient.message().await, Some(as_text.clone()), "{name}");
        assert_eq!(lenient.text().await, "after", "{name}");
        let first = strict.message().await;
        assert_eq!(first, Some(as_text).filter(|_| binary), "{name}");
    }
}

#[tokio::test]
async fn own_messages_and_published_ones_keep_their_order() {
    let line = Broadcast::new();
    let spoken = line.clone();
    let gateway = with_all_protocols(move |handshake: Handshake| {
        let line = spoken.clone();
        async move {
            let mut connection = handshake.accept(Accept::default()).await?;
            let mut subscription = line.subscribe(Queue::default());
            connection.feed(READY.into()).await?;
            while let Some(message) = subscription.next(&mut connection).await.transpose()? {
                connection.feed(message.clone()).await?;
                line.publish(message);
            }
            Ok::<_, BoxError>(())
        }
    });
    for (name, way) in ways() {
        let mut speaker = join(&gateway, name, way).await;
        let mut listener = join(&gateway, "rfc6455", way).await;
        for number in 0..100 {
            let text = number.to_string();
            speaker.session.send(text.into()).unwrap();
        }
        speaker.flush().await;
        let mut seen = [0, 0];
        for _ in 0..200 {
            // Each number comes twice: its own first, then what is published.
            let number: u32 = speaker.text().await.parse().unwrap();
            let [own, published] = &mut seen;
            if number == *own {
                *own += 1;
            } else {
                assert_eq!(number, *published, "{name}");
                *published += 1;
            }
            assert!(own >= published);
        }
        for number in 0..100 {
            assert_eq!(listener.text().await, number.to_string(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_message_in_pieces_is_not_interrupted() {
    let line = Broadcast::new();
    let published = line.clone();
    let gateway = with_all_protocols(move |handshake: Handshake| {
        let line = published.clone();
        async move {
            let mut connection = handshake.accept(Accept::default()).await?;
            let mut subscription = line.subscribe(Queue::default());
            connection.feed(READY.into()).await?;
            while let Some(message) = subscription.next(&mut connection).await.transpose()? {
                connection.start_send_piece(Piece {
                    kind: Kind::Text,
                    payload: Bytes::copy_from_slice(message.as_bytes()),
                    end: message.as_text() == Some("end"),
                })?;
                line.publish(format!("between {}", message.as_text().unwrap()).into());
            }
            Ok::<_, BoxError>(())
        }
    });
    for (name, way) in ways() {
        let mut sender = join(&gateway, name, way).await;
        let mut listener = join(&gateway, "hixie-76", way).await;
        for part in ["be", "gin, ", "end"] {
            sender.send(part).await;
            assert_eq!(listener.text().await, format!("between {part}"));
        }
        assert_eq!(sender.text().await, "begin, end", "{name}");
        for part in ["be", "gin, ", "end"] {
            assert_eq!(sender.text().await, format!("between {part}"), "{name}");
        }
    }
}

/// How many messages are published in [`beside_one_that_never_reads`].
const PUBLISHED: u32 = 500;

/// Publishes to one that does not read, with this queue, and to 99 that do, as fast as those can
/// take it; then that one reads all it gets until what comes is "now". Returns its numbers.
async fn beside_one_that_never_reads(queue: Queue) -> (Vec<u32>, Member) {
    let line = Broadcast::new();
    let slow = gateway(&line, queue);
    let quick = gateway(&line, Queue::default());
    let mut slow = join(&slow, "rfc6455", 1024).await;
    let mut others = Vec::new();
    for name in binary_names().cycle().take(99) {
        others.push(join(&quick, name, 1 << 20).await);
    }
    for number in 0..PUBLISHED {
        line.publish(numbered(number, 1000));
        if number % 10 == 9 {
            for other in &mut others {
                for expected in number - 9..=number {
                    assert_eq!(other.number().await, Some(expected));
                }
            }
        }
    }
    let mut numbers = Vec::new();
    while let Ok(Some(message)) = timeout(Duration::from_millis(200), slow.message()).await {
        numbers.push(number(&message).unwrap());
    }
    // It is there again, and so are the others.
    line.publish("now".into());
    for other in &mut others {
        assert_eq!(other.text().await, "now");
    }
    (numbers, slow)
}

/// Divides numbers where one does not follow on the one before; the first part begins with 0 and
/// is what fits into a connection.
#[track_caller]
fn runs(numbers: &[u32]) -> Vec<Vec<u32>> {
    let runs: Vec<Vec<u32>> = numbers
        .chunk_by(|one, next| one + 1 == *next)
        .map(<[u32]>::to_vec)
        .collect();
    assert_eq!(runs[0][0], 0);
    runs
}

/// The most messages of 1000 bytes that a connection and its way hold: 16 KiB, and 1 KiB.
const ON_THE_WAY: usize = 19;

#[tokio::test]
async fn one_that_never_reads_misses_the_oldest() {
    for (messages, bytes) in [(20, usize::MAX), (usize::MAX, 20_000)] {
        let overflow = Overflow::DropOldest;
        let queue = Queue {
            messages,
            bytes,
            overflow,
        };
        let (numbers, mut slow) = beside_one_that_never_reads(queue).await;
        let runs = runs(&numbers);
        let [early, late] = &runs[..] else {
            panic!("{numbers:?}");
        };
        assert!(early.len() <= ON_THE_WAY, "{early:?}");
        assert!(late.iter().copied().eq(PUBLISHED - 20..PUBLISHED));
        assert_eq!(slow.text().await, "now");
    }
}

#[tokio::test]
async fn one_that_never_reads_misses_the_newest() {
    for (messages, bytes) in [(20, usize::MAX), (usize::MAX, 20_000)] {
        let overflow = Overflow::DropNewest;
        let queue = Queue {
            messages,
            bytes,
            overflow,
        };
        let (numbers, mut slow) = beside_one_that_never_reads(queue).await;
        let [early] = &runs(&numbers)[..] else {
            panic!("{numbers:?}");
        };
        assert!((21..=20 + ON_THE_WAY).contains(&early.len()), "{early:?}");
        assert_eq!(slow.text().await, "now");
    }
}

#[tokio::test]
async fn one_that_never_reads_is_disconnected() {
    let queue = Queue {
        messages: 20,
        overflow: Overflow::Disconnect,
        ..Queue::default()
    };
    let (numbers, slow) = beside_one_that_never_reads(queue).await;
    assert!(numbers.len() <= ON_THE_WAY, "{numbers:?}");
    let close = slow.closed().close.as_ref().expect("a close");
    assert_eq!(close.code, CloseCode::POLICY_VIOLATION);
    assert_eq!(close.reason, "reads too slowly");
}

#[tokio::test]
async fn one_that_was_never_asked_for_more_is_disconnected_in_every_protocol() {
    for name in names() {
        let line = Broadcast::new();
        let queue = Queue {
            messages: 2,
            overflow: Overflow::Disconnect,
            ..Queue::default()
        };
        let mut client = join(&gateway(&line, queue), name, 1 << 20).await;
        for _ in 0..3 {
            // No task runs meanwhile.
            line.publish("too many".into());
        }
        assert_eq!(client.message().await, None, "{name}");
        assert!(client.closed().clean, "{name}");
    }
}

/// Bytes that are counted while they are there.
struct Counted(Arc<AtomicUsize>, Vec<u8>);

impl Counted {
    fn message(count: &Arc<AtomicUsize>, len: usize) -> Message {
        count.fetch_add(1, Ordering::Relaxed);
        Message::Binary(Bytes::from_owner(Self(Arc::clone(count), vec![0; len])))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn what_waits_is_bounded() {
    for overflow in [
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::Disconnect,
    ] {
        for (messages, bytes) in [(10, usize::MAX), (usize::MAX, 50_000)] {
            let line = Broadcast::new();
            let queue = Queue {
                messages,
                bytes,
                overflow,
            };
            let slow = gateway(&line, queue);
            let mut stuck = Vec::new();
            for name in ["rfc6455", "hybi-01", "hybi-05"] {
                stuck.push(join(&slow, name, 1024).await);
            }
            let alive = Arc::new(AtomicUsize::new(0));
            for _ in 0..2000 {
                line.publish(Counted::message(&alive, 5000));
                tokio::task::yield_now().await;
                let alive = alive.load(Ordering::Relaxed);
                // The queue, and what the connections hold by reference.
                assert!(alive <= 10 + 4, "{overflow:?}: {alive}");
            }
            drop(stuck);
            let gone = async {
                while alive.load(Ordering::Relaxed) > 0 {
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, gone).await.expect("nothing is left");
        }
    }
}

#[tokio::test]
async fn one_message_waits_whatever_its_size() {
    let line = Broadcast::new();
    let queue = Queue {
        messages: 0,
        bytes: 0,
        overflow: Overflow::DropNewest,
    };
    let mut client = join(&gateway(&line, queue), "rfc6455", 1024).await;
    for number in 0..3 {
        line.publish(numbered(number, 100_000));
        assert_eq!(client.number().await, Some(number));
    }
}

/// A thread with a runtime of its own in which a client joins, counts up to `last`, and leaves.
fn counting_thread(
    line: &Broadcast,
    name: &'static str,
    way: Way,
    last: u32,
) -> thread::JoinHandle<()> {
    let line = line.clone();
    let (sender, joined) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let queue = Queue {
                messages: usize::MAX,
                bytes: usize::MAX,
                overflow: Overflow::Disconnect,
            };
            let gateway = gateway(&line, queue);
            let mut client = join(&gateway, name, way).await;
            sender.send(()).unwrap();
            for expected in 0..=last {
                assert_eq!(client.text().await, expected.to_string());
            }
        });
    });
    joined.recv().unwrap();
    thread
}

#[test]
fn publishing_from_other_threads_keeps_the_order() {
    const LAST: u32 = 20_000;
    let line = Broadcast::new();
    let clients = [
        ("rfc6455", Way::Memory(4096)),
        ("rfc6455", Way::Tcp),
        ("hybi-07", Way::Tcp),
        ("hixie-75", Way::Tcp),
        ("hybi-04", Way::Memory(4096)),
    ];
    let threads = clients.map(|(name, way)| counting_thread(&line, name, way, LAST));
    for number in 0..=LAST {
        line.publish(number.to_string().into());
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn subscribers_may_come_and_go_while_published_to() {
    let line = Broadcast::new();
    let stop = Arc::new(AtomicUsize::new(0));
    let publisher = thread::spawn({
        let (line, stop) = (line.clone(), Arc::clone(&stop));
        move || {
            while stop.load(Ordering::Relaxed) == 0 {
                line.publish("again".into());
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for round in 0..50 {
            let overflow = [
                Overflow::DropOldest,
                Overflow::DropNewest,
                Overflow::Disconnect,
            ][round % 3];
            let queue = Queue {
                messages: 5,
                overflow,
                ..Queue::default()
            };
            let gateway = gateway(&line, queue);
            let mut clients = Vec::new();
            let way = [Way::Memory(4096), Way::Tcp][round % 2];
            for name in ["rfc6455", "hixie-76", "hybi-04"] {
                clients.push(join(&gateway, name, way).await);
            }
            // One just goes, one closes, and one stays a while.
            clients.pop();
            let mut closing = clients.pop().unwrap();
            closing.session.close(Some(CloseCode::NORMAL.into()));
            while let Some(message) = closing.message().await {
                assert_eq!(message.as_text(), Some("again"));
            }
            assert!(closing.closed().clean);
            let _ = clients[0].message().await;
        }
    });
    stop.store(1, Ordering::Relaxed);
    publisher.join().unwrap();
    drop(runtime);
    let state = format!("{line:?}");
    assert!(state.contains("subscriptions: 0, waiting: 0"), "{state}");
}

#[tokio::test]
async fn a_subscription_knows_what_it_has_missed() {
    let line = Broadcast::new();
    let queue = |overflow| Queue {
        messages: 3,
        bytes: 100,
        overflow,
    };
    for (overflow, missed) in [
        (Overflow::DropOldest, 7),
        (Overflow::DropNewest, 7),
        (Overflow::Disconnect, 10),
    ] {
        let subscription = line.subscribe(queue(overflow));
        for _ in 0..10 {
            line.publish("x".into());
        }
        assert_eq!(subscription.missed(), missed, "{overflow:?}");
    }
}
