//! Publishing from other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use polysock::{Broadcast, CloseCode, Overflow, Queue};
use polysock_test_support::member::Way;

use super::{gateway, join};

/// Starts a thread with its own runtime in which a client joins, counts up to `last`, and leaves.
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
fn subscribers_may_join_and_leave_during_publications() {
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
            // The first client disconnects, the second closes, and the third stays for a while.
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
