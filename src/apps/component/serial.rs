//! Components that handle one event at a time.

use std::fmt;

use polysock_protocols::{CloseCode, Message};
use tokio::sync::Mutex;

use super::client::Client;
use super::component::Component;
use crate::error::BoxError;

/// A [`Component`] whose handlers have exclusive access, so that its state needs no lock.
/// [`Serial`] serves it.
pub trait SerialComponent: Send + 'static {
    /// The same as [`Component::on_open`].
    ///
    /// # Errors
    ///
    /// Any error is passed to [`on_error`](Self::on_error).
    fn on_open(&mut self, client: &Client) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = client;
        async { Ok(()) }
    }

    /// The same as [`Component::on_message`].
    ///
    /// # Errors
    ///
    /// Any error is passed to [`on_error`](Self::on_error).
    fn on_message(
        &mut self,
        from: &Client,
        message: Message,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// The same as [`Component::on_close`].
    fn on_close(&mut self, client: &Client) -> impl Future<Output = ()> + Send {
        let _ = client;
        async {}
    }

    /// The same as [`Component::on_error`], but the default logs nothing.
    fn on_error(&mut self, client: &Client, error: BoxError) -> impl Future<Output = ()> + Send {
        let _ = error;
        async { client.close(CloseCode::INTERNAL_ERROR) }
    }

    /// The same as [`Component::subprotocols`].
    fn subprotocols(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Calls a component with one event at a time, for all clients together and in the order of
/// arrival, as in a single-threaded program: `ws(Serial::new(component))`. Each event waits until
/// the handler of the previous event has returned, including everything that handler awaits.
pub struct Serial<C> {
    component: Mutex<C>,
    subprotocols: &'static [&'static str],
}

impl<C: SerialComponent> Serial<C> {
    /// Wraps this component.
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
