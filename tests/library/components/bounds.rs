//! Bounds on the queue of a client, and on its message rate.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use polysock::apps::component::{Client, Component, RateLimit, ws};
use polysock::apps::{Layer, Layered};
use polysock::{Application, BoxError, CloseCode, Message, Overflow, Queue};
use polysock_test_support::member::Way;

use super::{Chat, connect, gateway, join, until};

#[tokio::test]
async fn a_client_that_does_not_read_delays_no_other_and_is_closed() {
    for way in [Way::Memory(1 << 12), Way::Tcp] {
        let chat = Arc::new(Chat::default());
        let queue = Queue {
            messages: 16,
            bytes: 1 << 20,
            overflow: Overflow::Disconnect,
        };
        let gateway = gateway(ws(Arc::clone(&chat)).queue(queue));
        let mut speaker = join(&gateway, "rfc6455", way).await;
        let mut silent = join(&gateway, "rfc6455", way).await;
        let mut listener = join(&gateway, "rfc6455", way).await;
        let text = "x".repeat(100_000);
        // More than the queue and all socket buffers hold.
        let said = 300;
        for _ in 0..said {
            speaker.send(text.as_str()).await;
            assert_eq!(listener.text().await, text);
        }
        let mut came = 0;
        while silent.message().await.is_some() {
            came += 1;
        }
        assert!(came < said, "{came} of {said}, {way:?}");
        let close = silent.closed().close.as_ref().map(|close| close.code);
        assert_eq!(close, Some(CloseCode::POLICY_VIOLATION), "{way:?}");
    }
}

/// A component that echoes messages.
struct Echo;

impl Component for Echo {
    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        from.send(message);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_over_the_rate_limit_is_closed() {
    let rate = |messages| RateLimit::per_second(NonZeroU32::new(messages).unwrap());
    let burst = |burst| NonZeroU32::new(burst).unwrap();
    for (limit, at_once, each) in [
        (rate(5), 5, Duration::from_millis(200)),
        (rate(2).burst(burst(4)), 4, Duration::from_millis(500)),
        (rate(10).burst(burst(1)), 1, Duration::from_millis(100)),
    ] {
        let gateway = gateway(ws(Echo.layer(limit)));
        let mut even = connect(&gateway, "hixie-76", 1 << 16).await;
        let mut hasty = connect(&gateway, "rfc6455", 1 << 16).await;
        for _ in 0..at_once {
            hasty.send("a").await;
            assert_eq!(hasty.text().await, "a", "{limit:?}");
        }
        // One more message, once the limit permits one more.
        tokio::time::advance(each).await;
        hasty.send("b").await;
        assert_eq!(hasty.text().await, "b", "{limit:?}");
        hasty.send("c").await;
        assert_eq!(hasty.message().await, None, "{limit:?}");
        let close = hasty.closed().close.as_ref().map(|close| close.code);
        assert_eq!(close, Some(CloseCode::POLICY_VIOLATION));
        for _ in 0..50 {
            even.send("a").await;
            assert_eq!(even.text().await, "a", "{limit:?}");
            tokio::time::advance(each).await;
        }
    }
}

/// A custom layer: an application that counts.
struct Counting<A>(A, Arc<std::sync::atomic::AtomicUsize>);

struct Count(Arc<std::sync::atomic::AtomicUsize>);

impl<A: Application> Layer<A> for Count {
    type Out = Counting<A>;

    fn layer(self, inner: A) -> Counting<A> {
        Counting(inner, self.0)
    }
}

impl<A: Application> Application for Counting<A> {
    fn serve(
        &self,
        handshake: polysock::Handshake,
    ) -> futures_core::future::BoxFuture<'static, Result<(), BoxError>> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.serve(handshake)
    }
}

#[tokio::test]
async fn a_custom_layer_wraps_a_component() {
    let count = Arc::default();
    let gateway = gateway(
        ws(Echo)
            .layer(Count(Arc::clone(&count)))
            .layer(Count(Arc::clone(&count))),
    );
    let mut member = connect(&gateway, "rfc6455", 1 << 16).await;
    member.send("a").await;
    assert_eq!(member.text().await, "a");
    until(|| count.load(std::sync::atomic::Ordering::Relaxed) == 2).await;
}
