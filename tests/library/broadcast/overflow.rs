//! Subscribers that are slower than the publisher.

use std::time::Duration;

use polysock::{Broadcast, CloseCode, Overflow, Queue};
use polysock_test_support::member::{Member, number, numbered};
use tokio::time::timeout;

use super::{binary_names, gateway, join, names};

/// The number of messages published in [`beside_one_that_never_reads`].
const PUBLISHED: u32 = 500;

/// Publishes to a slow subscriber with this queue, which does not read, and to 99 quick
/// subscribers, as fast as those can read. The slow subscriber then reads everything up to "now".
/// Returns the numbers that it has received.
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
    // The slow subscriber is up to date again, and so are the others.
    line.publish("now".into());
    for other in &mut others {
        assert_eq!(other.text().await, "now");
    }
    (numbers, slow)
}

/// Splits the numbers at each gap. The first run begins with 0; its messages fit into the
/// connection.
#[track_caller]
fn runs(numbers: &[u32]) -> Vec<Vec<u32>> {
    let runs: Vec<Vec<u32>> = numbers
        .chunk_by(|one, next| one + 1 == *next)
        .map(<[u32]>::to_vec)
        .collect();
    assert_eq!(runs[0][0], 0);
    runs
}

/// The most messages of 1000 bytes that a connection (16 KiB) and its transport (1 KiB) hold.
const ON_THE_WAY: usize = 19;

#[tokio::test]
async fn a_subscriber_that_never_reads_misses_the_oldest() {
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
async fn a_subscriber_that_never_reads_misses_the_newest() {
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
async fn a_subscriber_that_never_reads_is_disconnected() {
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
async fn an_overflowing_subscriber_is_disconnected_in_every_protocol() {
    for name in names() {
        let line = Broadcast::new();
        let queue = Queue {
            messages: 2,
            overflow: Overflow::Disconnect,
            ..Queue::default()
        };
        let mut client = join(&gateway(&line, queue), name, 1 << 20).await;
        for _ in 0..3 {
            // No task runs between these calls.
            line.publish("too many".into());
        }
        assert_eq!(client.message().await, None, "{name}");
        assert!(client.closed().clean, "{name}");
    }
}

#[tokio::test]
async fn a_subscription_counts_missed_messages() {
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
    assert_eq!(line.missed(), 24, "those that have ended count too");
}
