//! A limit on the message rate of each client.

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

/// The message rate that a component accepts from each client. A client that sends faster is closed
/// with 1008.
///
/// [`SessionConfig::max_messages_per_second`](polysock_protocols::SessionConfig::max_messages_per_second)
/// limits all clients of a site, before an application receives their messages. This type limits
/// the clients of one component.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// The time between two messages at the full rate.
    interval: Duration,
    /// The time by which a message may arrive before it is due.
    ahead: Duration,
}

impl RateLimit {
    /// Allows this number of messages a second, and bursts of the same number.
    pub fn per_second(messages: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / messages.get();
        Self {
            interval,
            ahead: interval * (messages.get() - 1),
        }
    }

    /// Allows bursts of this number of messages, at the same rate.
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

/// A component with a limited message rate, from a [`RateLimit`].
#[derive(Debug)]
pub struct RateLimited<C> {
    inner: C,
    limit: RateLimit,
}

/// The time at which the next message of a client is due at the full rate, in the client's bag.
#[derive(Clone)]
struct Due(Arc<Mutex<Instant>>);

impl<C: Component> RateLimited<C> {
    /// Whether a client may send another message now. Counts that message if so.
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
