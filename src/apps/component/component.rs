//! What is told of clients and of what they say.

use std::sync::Arc;

use polysock_protocols::{CloseCode, Message};

use super::Client;
use crate::error::BoxError;
use crate::push::Publication;

/// An application as four events, see the [module](super). All but [`on_message`](Self::on_message) do
/// nothing unless they are written.
///
/// Handlers are `async fn` in an implementation. They are never cancelled while their gateway serves, so
/// they may hold what they have begun; they have as long as they need.
pub trait Component: Send + Sync + 'static {
    /// A client has connected. Nothing else is told of it before this is done.
    ///
    /// # Errors
    ///
    /// Whatever fails; [`on_error`](Self::on_error) is told.
    fn on_open(&self, client: &Client) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = client;
        async { Ok(()) }
    }

    /// A client has sent a message. None comes once we close.
    ///
    /// # Errors
    ///
    /// Whatever fails; [`on_error`](Self::on_error) is told.
    fn on_message(
        &self,
        from: &Client,
        message: Message,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// A client has gone, whoever closed: [`Client::closed`] says how. The last event of each.
    fn on_close(&self, client: &Client) -> impl Future<Output = ()> + Send {
        let _ = client;
        async {}
    }

    /// One of the events before has failed. Unless this is written, the log has a warning, and the client
    /// is closed with 1011; who does not close here goes on with it. A panic is told nobody: its client
    /// is closed.
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

    /// Something was published on a channel, where it is [told of them](super::Ws::pushed): on the thread of who
    /// publishes, which waits for this, so nothing may be waited for here, published or subscribed to.
    fn on_push(&self, channel: &str, publication: &Publication) {
        let _ = (channel, publication);
    }

    /// Something that other nodes have published on a channel is missing, and nobody will get it: so many, where that is
    /// known. Told in its place among the [pushes](Self::on_push), with the same limits.
    fn on_gap(&self, channel: &str, lost: Option<u64>) {
        let _ = (channel, lost);
    }

    /// The subprotocols that it speaks, in order of preference: the first that a client offers is agreed
    /// on (RFC 6455 §4.2.2). None, unless this is written.
    fn subprotocols(&self) -> &[&str] {
        &[]
    }

    /// Whether clients that offer none of the [`subprotocols`](Self::subprotocols) are refused (400).
    fn requires_subprotocol(&self) -> bool {
        false
    }
}

/// One component in several places: the same chat by [`ws`](super::ws) and by [`tcp`](super::tcp).
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
