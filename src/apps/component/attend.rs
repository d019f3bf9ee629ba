//! The events of one client, one after the other.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use bytestring::ByteString;
use polysock_protocols::{CloseCode, PackedRequest};
use tracing::error;

use super::client::{About, Client};
use super::component::Component;
use crate::broadcast::{Broadcast, Overflow, Queue, Subscription};
use crate::connection::Connection;
use crate::error::BoxError;
use crate::transport::Peer;

thread_local! {
    /// Where what is sent to the clients of this thread waits for them: one place for all of them, so
    /// that a message to many takes it once.
    static POST: OnceCell<Broadcast> = const { OnceCell::new() };
}

/// How much may wait for a client, unless something else is said. Messages that a component sends are
/// rarely such that some can be missed.
pub(super) const QUEUE: Queue = Queue {
    messages: 16 * 1024,
    bytes: 4 << 20,
    overflow: Overflow::Disconnect,
};

/// A client that is attended to.
struct Attended {
    connection: Connection,
    post: Subscription,
    client: Client,
}

/// Tells a component of a client, from its open to its close.
pub(super) async fn attend<C: Component>(
    component: &C,
    connection: Connection,
    (request, peer): (Option<PackedRequest>, Peer),
    queue: Queue,
) -> Result<(), BoxError> {
    let post = POST.with(|post| post.get_or_init(Broadcast::new).subscribe(queue));
    let about = About {
        protocol: connection.protocol(),
        subprotocol: connection
            .subprotocol()
            .map(|name: &ByteString| Box::new(name.clone())),
        request,
        peer,
    };
    let client = Client::new(post.mailbox(), about);
    let mut attended = Attended {
        connection,
        post,
        client: client.clone(),
    };
    let opened = attended.handle(component.on_open(&client)).await;
    attended.settle(component, opened).await;
    let ended = loop {
        match attended.post.next(&mut attended.connection).await {
            // What comes once we close was sent before that was known.
            Some(Ok(_)) if client.is_closing() => {}
            Some(Ok(message)) => {
                let handled = attended
                    .handle(component.on_message(&client, message))
                    .await;
                attended.settle(component, handled).await;
            }
            Some(Err(error)) => break Err(error.into()),
            None => break Ok(()),
        }
    };
    if let Some(closed) = attended.connection.closed() {
        client.note_closed(closed.clone());
    }
    attended.handle(component.on_close(&client)).await;
    ended
}

impl Attended {
    /// Has an event handled; what is sent to the client goes out meanwhile. `None` where the handler
    /// panicked.
    async fn handle<T>(&mut self, handler: impl Future<Output = T>) -> Option<T> {
        let mut handler = pin!(handler);
        poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)));
            match polled {
                Ok(Poll::Ready(handled)) => Poll::Ready(Some(handled)),
                Ok(Poll::Pending) => {
                    self.post.poll_send(&mut self.connection, cx);
                    Poll::Pending
                }
                Err(panic) => {
                    let said = panic.downcast_ref::<&str>().copied();
                    let said = said.or_else(|| panic.downcast_ref::<String>().map(|said| &**said));
                    let client = &self.client;
                    error!(
                        client = client.id(),
                        protocol = client.protocol(),
                        panic = said,
                        "a component panicked"
                    );
                    Poll::Ready(None)
                }
            }
        })
        .await
    }

    /// Does what becomes of a client whose event was handled, or was not.
    async fn settle<C: Component>(&mut self, component: &C, handled: Option<Result<(), BoxError>>) {
        let settled = match handled {
            Some(Ok(())) => return,
            Some(Err(error)) => {
                let client = self.client.clone();
                self.handle(component.on_error(&client, error)).await
            }
            None => None,
        };
        if settled.is_none() {
            self.client.close(CloseCode::INTERNAL_ERROR);
        }
    }
}
