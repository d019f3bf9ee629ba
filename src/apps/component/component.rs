//! The trait of components: handlers for the events of clients.

use std::sync::Arc;

use polysock_protocols::{CloseCode, Message};

use super::Client;
use crate::error::BoxError;
use crate::push::Publication;

/// An application as four events, see the [module](super). All handlers except
/// [`on_message`](Self::on_message) have a default.
///
/// Handlers are `async fn` in an implementation. They are never cancelled while their gateway
/// serves, so a handler may rely on reaching its end. They have no time limit.
pub trait Component: Send + Sync + 'static {
    /// Handles a new client. No other event of the client is delivered before this returns.
    ///
    /// # Errors
    ///
    /// Any error is passed to [`on_error`](Self::on_error).
    fn on_open(&self, client: &Client) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = client;
        async { Ok(()) }
    }

    /// Handles a message from a client. No message is delivered after we close the client.
    ///
    /// # Errors
    ///
    /// Any error is passed to [`on_error`](Self::on_error).
    fn on_message(
        &self,
        from: &Client,
        message: Message,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Handles the end of a client's connection, by either side: [`Client::closed`] says how. This
    /// is the last event of each client.
    fn on_close(&self, client: &Client) -> impl Future<Output = ()> + Send {
        let _ = client;
        async {}
    }

    /// Handles an error from `on_open` or `on_message`. By default, a warning is logged and the
    /// client is closed with 1011. An implementation that does not close the client continues to
    /// serve it. A panic is not passed to this handler: the client is closed.
    fn on_error(&self, client: &Client, error: BoxError) -> impl Future<Output = ()> + Send {
        async move {
            tracing::warn!(
                client = client.id(),
                protocol = client.protocol(),
                error,
                "a component failed"
            );
            client.close(CloseCode::INTERNAL_ERROR);
        }
    }

    /// Handles a publication on a channel that is [pushed](super::Ws::pushed) to this component.
    /// The publisher's thread calls this and waits, so the handler must not block, publish or
    /// subscribe.
    fn on_push(&self, channel: &str, publication: &Publication) {
        let _ = (channel, publication);
    }

    /// Handles a gap: publications from other nodes on a channel were lost and will not arrive.
    /// `lost` is their number, `None` if it is unknown. Called in order with the
    /// [pushes](Self::on_push), with the same restrictions.
    fn on_gap(&self, channel: &str, lost: Option<u64>) {
        let _ = (channel, lost);
    }

    /// Returns the supported subprotocols, in order of preference: the first that a client offers
    /// is negotiated (RFC 6455 §4.2.2). Empty by default.
    fn subprotocols(&self) -> &[&str] {
        &[]
    }

    /// Whether clients that offer none of the [`subprotocols`](Self::subprotocols) are refused (400).
    fn requires_subprotocol(&self) -> bool {
        false
    }
}

/// A component in several places: for example the same chat by [`ws`](super::ws) and by
/// [`tcp`](super::tcp).
impl<C: Component> Component for Arc<C> {
    fn on_push(&self, channel: &str, publication: &Publication) {
        (**self).on_push(channel, publication);
    }

    fn on_gap(&self, channel: &str, lost: Option<u64>) {
        (**self).on_gap(channel, lost);
    }

    fn on_open(&self, client: &Client) -> impl Future<Output = Result<(), BoxError>> + Send {
        (**self).on_open(client)
    }

    fn on_message(
        &self,
        from: &Client,
        message: Message,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        (**self).on_message(from, message)
    }

    fn on_close(&self, client: &Client) -> impl Future<Output = ()> + Send {
        (**self).on_close(client)
    }

    fn on_error(&self, client: &Client, error: BoxError) -> impl Future<Output = ()> + Send {
        (**self).on_error(client, error)
    }

    fn subprotocols(&self) -> &[&str] {
        (**self).subprotocols()
    }

    fn requires_subprotocol(&self) -> bool {
        (**self).requires_subprotocol()
    }
}
