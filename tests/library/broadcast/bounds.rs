//! Bounds on the memory of queued messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use polysock::{Broadcast, Message, Overflow, Queue};
use polysock_test_support::PATIENCE;
use polysock_test_support::member::numbered;
use tokio::time::timeout;

use super::{gateway, join};

/// Bytes that decrement a counter when they are dropped.
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
async fn the_queue_of_a_slow_subscriber_is_bounded() {
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
                // The messages in the queue, and those that connections hold by reference.
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
async fn a_queue_holds_one_message_of_any_size() {
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
