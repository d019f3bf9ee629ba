//! The loop that calls a component with the events of one client, one after another.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use futures_core::future::BoxFuture;
use polysock_protocols::{CloseCode, PackedRequest};
use tracing::error;

use super::client::{Client, ClientProperties};
use super::component::Component;
use crate::broadcast::{MAILBOX, Queue, Subscription, mailboxes};
use crate::connection::Connection;
use crate::error::BoxError;
use crate::transport::Peer;

/// A connected client, its mailbox, and its connection.
pub(super) struct ServedClient {
    connection: Connection,
    post: Subscription,
    client: Client,
    keeps_request: bool,
}

/// The settings for the clients of a component.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientTerms {
    pub(super) queue: Queue,
    /// Whether the requests of clients are kept after `on_open`.
    pub(super) keeps_requests: bool,
}

impl Default for ClientTerms {
    fn default() -> Self {
        Self {
            queue: MAILBOX,
            keeps_requests: false,
        }
    }
}

/// The peer and the request of a client, known before it has connected.
#[derive(Debug, Default)]
pub(super) struct ClientOrigin {
    pub(super) peer: Peer,
    pub(super) request: Option<Box<PackedRequest>>,
}

impl ServedClient {
    /// Creates the client of a new connection.
    pub(super) fn new(connection: Connection, before: ClientOrigin, terms: ClientTerms) -> Self {
        let post = mailboxes(terms.queue);
        let ClientOrigin { peer, request } = before;
        let about = ClientProperties {
            protocol: connection.protocol(),
            subprotocol: connection.subprotocol().cloned().map(Box::new),
            peer,
        };
        Self {
            client: Client::new(post.mailbox(), about, request),
            connection,
            post,
            keeps_request: terms.keeps_requests,
        }
    }

    /// Calls the component with the events of the client, from its open to its close.
    #[expect(
        clippy::manual_async_fn,
        reason = "a block has what it captures once, an `async fn` its arguments twice: what an idle connection holds is here"
    )]
    pub(super) fn serve<C: Component>(
        mut self,
        component: Arc<C>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        async move {
            let this = &mut self;
            // The handler is called in an async block, because it may panic before it returns a
            // future.
            let client = this.client.clone();
            let opened = this
                .handle(pin!(async { component.on_open(&client).await }))
                .await;
            match opened {
                Some(Ok(())) => {}
                failed => this.settle(&*component, failed.and_then(Result::err)).await,
            }
            if !this.keeps_request {
                client.forget_request();
            }
            let ended = loop {
                let message = match this.post.next(&mut this.connection).await {
                    Some(Ok(message)) => message,
                    Some(Err(error)) => break Err(error.into()),
                    None => break Ok(()),
                };
                // The peer sent these messages before it knew that we close.
                if client.is_closing() {
                    continue;
                }
                let handled = this
                    .handle(pin!(async { component.on_message(&client, message).await }))
                    .await;
                match handled {
                    Some(Ok(())) => {}
                    failed => this.settle(&*component, failed.and_then(Result::err)).await,
                }
            };
            if let Some(closed) = this.connection.closed() {
                client.note_closed(closed.clone());
            }
            this.handle(pin!(async { component.on_close(&client).await }))
                .await;
            ended
        }
    }

    /// Runs a handler, and sends queued messages to the client meanwhile. Returns `None` if the
    /// handler panicked.
    fn handle<T>(
        &mut self,
        mut handler: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = Option<T>> {
        poll_fn(move |cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)));
            match polled {
                Ok(Poll::Ready(handled)) => Poll::Ready(Some(handled)),
                Ok(Poll::Pending) => {
                    self.post.poll_send(&mut self.connection, cx);
                    Poll::Pending
                }
                Err(panic) => {
                    self.tell_of(&*panic);
                    Poll::Ready(None)
                }
            }
        })
    }

    #[cold]
    fn tell_of(&self, panic: &(dyn Any + Send)) {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(|said| &**said));
        let (client, protocol) = (self.client.id(), self.client.protocol());
        error!(client, protocol, panic = said, "a component panicked");
    }

    /// Handles the failure of a handler: calls `on_error`, or closes the client if a handler
    /// panicked.
    // Boxed, because failures are rare.
    #[cold]
    fn settle<'a, C: Component>(
        &'a mut self,
        component: &'a C,
        error: Option<BoxError>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let settled = match error {
                Some(error) => {
                    let client = self.client.clone();
                    let handler = pin!(async { component.on_error(&client, error).await });
                    self.handle(handler).await
                }
                None => None,
            };
            if settled.is_none() {
                self.client.close(CloseCode::INTERNAL_ERROR);
            }
        })
    }
}
