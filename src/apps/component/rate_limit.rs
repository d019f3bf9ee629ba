//! How many messages a client may send.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use polysock_protocols::{Close, CloseCode, Message};
use tokio::time::Instant;

use super::client::Client;
use super::component::Component;
use crate::apps::Layer;
use crate::error::BoxError;
use crate::push::Publication;

/// How many messages a component takes of one client. One that sends faster is closed with 1008.
///
/// [`SessionConfig::max_messages_per_second`](polysock_protocols::SessionConfig::max_messages_per_second)
/// limits all the clients of a site before anything looks at what they send; this is for one component
/// of several.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// How far apart messages are, if they come evenly.
    interval: Duration,
    /// How far they may come ahead of that.
    ahead: Duration,
}

impl RateLimit {
    /// So many messages a second, and as many at once.
    pub fn per_second(messages: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / messages.get();
        Self {
            interval,
            ahead: interval * (messages.get() - 1),
        }
    }

    /// The same rate, and so many messages at once.
    #[must_use]
    pub fn burst(self, messages: NonZeroU32) -> Self {
        let ahead = self.interval.saturating_mul(messages.get() - 1);
        Self { ahead, ..self }
    }
}

impl<C: Component> Layer<C> for RateLimit {
    type Out = RateLimited<C>;

    fn layer(self, inner: C) -> RateLimited<C> {
        RateLimited { inner, limit: self }
    }
}

/// A component that takes no more than so many messages, from a [`RateLimit`].
#[derive(Debug)]
pub struct RateLimited<C> {
    inner: C,
    limit: RateLimit,
}

/// In the bag of a client: when its next message would come, if they came evenly.
#[derive(Clone)]
struct Due(Arc<Mutex<Instant>>);

impl<C: Component> RateLimited<C> {
    /// Whether a client may send another message now.
    fn admits(&self, client: &Client) -> bool {
        let now = Instant::now();
        let Due(due) = client.get().unwrap_or_else(|| {
            let due = Due(Arc::new(Mutex::new(now)));
            client.insert(due.clone());
            due
        });
        let mut due = due.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*due).max(now);
        let admits = at - now <= self.limit.ahead;
        if admits {
            *due = at + self.limit.interval;
        }
        admits
    }
}

impl<C: Component> Component for RateLimited<C> {
    fn on_push(&self, channel: &str, publication: &Publication) {
        self.inner.on_push(channel, publication);
    }

    fn on_gap(&self, channel: &str, lost: Option<u64>) {
        self.inner.on_gap(channel, lost);
    }

    fn on_open(&self, client: &Client) -> impl Future<Output = Result<(), BoxError>> + Send {
        self.inner.on_open(client)
    }

    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        if self.admits(from) {
            return self.inner.on_message(from, message).await;
        }
        from.close(Close::new(CloseCode::POLICY_VIOLATION, "too many messages"));
        Ok(())
    }

    fn on_close(&self, client: &Client) -> impl Future<Output = ()> + Send {
        self.inner.on_close(client)
    }

    fn on_error(&self, client: &Client, error: BoxError) -> impl Future<Output = ()> + Send {
        self.inner.on_error(client, error)
    }

    fn subprotocols(&self) -> &[&str] {
        self.inner.subprotocols()
    }

    fn requires_subprotocol(&self) -> bool {
        self.inner.requires_subprotocol()
    }
}
