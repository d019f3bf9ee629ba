//! Components over WebSockets.

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::{Accept, BinaryOverText, Rejection, Request};

use super::attend::{ClientOrigin, ClientTerms, ServedClient};
use super::component::Component;
use crate::apps::Application;
use crate::broadcast::Queue;
use crate::error::BoxError;
use crate::handshake::Handshake;
use crate::push::{ChannelEvent, Channels, Receiving};

/// Serves a component over WebSockets of every protocol, and over HTTP/2 streams.
pub fn ws<C: Component>(component: C) -> Ws<C> {
    Ws {
        component: Arc::new(component),
        terms: ClientTerms::default(),
        binary_over_text: BinaryOverText::default(),
        pushed: None,
    }
}

/// The [`Application`] that serves a component, from [`ws`]. Clones serve the same component.
pub struct Ws<C> {
    component: Arc<C>,
    terms: ClientTerms,
    binary_over_text: BinaryOverText,
    pushed: Option<Arc<Receiving>>,
}

impl<C: Component> Ws<C> {
    /// Sets the limit of queued messages for a client that reads slowly, and the action when the
    /// limit is exceeded. By default the limit is 16,384 messages or 4 MiB, and a client that
    /// exceeds it is closed with 1008.
    #[must_use]
    pub fn queue(self, queue: Queue) -> Self {
        let terms = ClientTerms {
            queue,
            ..self.terms
        };
        Self { terms, ..self }
    }

    /// Sets whether [`Client::request`](super::Client::request) is available as long as the client
    /// exists. By default it is available only until [`on_open`](Component::on_open) returns. The
    /// head is kept, which usually takes 200 to 800 bytes.
    #[must_use]
    pub fn keep_requests(self, keeps_requests: bool) -> Self {
        let terms = ClientTerms {
            keeps_requests,
            ..self.terms
        };
        Self { terms, ..self }
    }

    /// Sets the encoding of binary messages for clients whose protocol has none (hixie). By default
    /// such a client is closed.
    #[must_use]
    pub fn binary_over_text(self, binary_over_text: BinaryOverText) -> Self {
        Self {
            binary_over_text,
            ..self
        }
    }

    /// Calls the component with every publication on these channels
    /// ([`on_push`](Component::on_push)), and with every gap ([`on_gap`](Component::on_gap)).
    #[must_use]
    pub fn pushed(self, channels: &Channels) -> Self {
        let component = Arc::clone(&self.component);
        let pushed = channels.tell(None, move |channel, told| match told {
            ChannelEvent::Delivered(delivery, _) => {
                component.on_push(channel, &delivery.publication);
            }
            ChannelEvent::Gap(lost) => component.on_gap(channel, lost),
        });
        Self {
            pushed: Some(Arc::new(pushed)),
            ..self
        }
    }

    /// Negotiates the subprotocol.
    fn subprotocol(&self, request: &Request) -> Result<Option<ByteString>, Rejection> {
        let spoken = self.component.subprotocols();
        let offered = &request.subprotocols;
        let mut agreed = spoken
            .iter()
            .filter_map(|name| offered.iter().find(|offered| *offered == name));
        match agreed.next() {
            None if self.component.requires_subprotocol() => {
                let names = spoken.join(", ");
                let reason = format_args!("a subprotocol is required: offer {names}");
                Err(Rejection::new(400, reason))
            }
            agreed => Ok(agreed.cloned()),
        }
    }
}

impl<C: Component> Application for Ws<C> {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let subprotocol = match self.subprotocol(handshake.request()) {
            Ok(subprotocol) => subprotocol,
            Err(rejection) => {
                handshake.reject(rejection);
                return Box::pin(async { Ok(()) });
            }
        };
        let accept = Accept {
            subprotocol,
            binary_over_text: self.binary_over_text,
            ..Accept::default()
        };
        let before = Box::new(ClientOrigin {
            peer: handshake.peer().clone(),
            request: Some(Box::new(handshake.request().pack())),
        });
        let (component, terms) = (Arc::clone(&self.component), self.terms);
        let accepting = handshake.accept(accept);
        Box::pin(async move {
            let connection = accepting.await?;
            ServedClient::new(connection, *before, terms)
                .serve(component)
                .await
        })
    }
}

impl<C> Clone for Ws<C> {
    fn clone(&self) -> Self {
        Self {
            component: Arc::clone(&self.component),
            terms: self.terms,
            binary_over_text: self.binary_over_text,
            pushed: self.pushed.clone(),
        }
    }
}

impl<C> fmt::Debug for Ws<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ws")
            .field("terms", &self.terms)
            .field("binary_over_text", &self.binary_over_text)
            .finish_non_exhaustive()
    }
}
