//! A component that is told one event at a time.

use std::fmt;

use polysock_protocols::{CloseCode, Message};
use tokio::sync::Mutex;

use super::client::Client;
use super::component::Component;
use crate::error::BoxError;

/// A [`Component`] whose handlers have it for themselves, so that it holds what it knows without a lock.
/// [`Serial`] serves it.
pub trait SerialComponent: Send + 'static {
    /// As [`Component::on_open`].
    ///
    /// # Errors
    ///
    /// Whatever fails; [`on_error`](Self::on_error) is told.
    fn on_open(&mut self, client: &Client) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = client;
        async { Ok(()) }
    }

    /// As [`Component::on_message`].
    ///
    /// # Errors
    ///
    /// Whatever fails; [`on_error`](Self::on_error) is told.
    fn on_message(
        &mut self,
        from: &Client,
        message: Message,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// As [`Component::on_close`].
    fn on_close(&mut self, client: &Client) -> impl Future<Output = ()> + Send {
        let _ = client;
        async {}
    }

    /// As [`Component::on_error`].
    fn on_error(&mut self, client: &Client, error: BoxError) -> impl Future<Output = ()> + Send {
        let _ = error;
        async { client.close(CloseCode::INTERNAL_ERROR) }
    }

    /// As [`Component::subprotocols`].
    fn subprotocols(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Tells a component one event at a time, of all its clients together and in the order in which they
/// came, as a program of one thread is told: `ws(Serial::new(component))`. The next event waits until the
/// handler of the one before is done, whatever that waits for.
pub struct Serial<C> {
    component: Mutex<C>,
    subprotocols: &'static [&'static str],
}

impl<C: SerialComponent> Serial<C> {
    /// Tells this one.
    pub fn new(component: C) -> Self {
        Self {
            subprotocols: component.subprotocols(),
            component: Mutex::new(component),
        }
    }
}

impl<C: SerialComponent> Component for Serial<C> {
    async fn on_open(&self, client: &Client) -> Result<(), BoxError> {
        self.component.lock().await.on_open(client).await
    }

    async fn on_message(&self, from: &Client, message: Message) -> Result<(), BoxError> {
        self.component.lock().await.on_message(from, message).await
    }

    async fn on_close(&self, client: &Client) {
        self.component.lock().await.on_close(client).await;
    }

    async fn on_error(&self, client: &Client, error: BoxError) {
        self.component.lock().await.on_error(client, error).await;
    }

    fn subprotocols(&self) -> &[&str] {
        self.subprotocols
    }
}

impl<C> fmt::Debug for Serial<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serial").finish_non_exhaustive()
    }
}
