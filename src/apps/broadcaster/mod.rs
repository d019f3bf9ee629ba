//! An application that sends every message to all clients.

#[cfg(feature = "grip")]
mod recovering;

use std::sync::Arc;

use futures_core::future::BoxFuture;
use polysock_protocols::{Accept, BinaryOverText};

use super::application::Application;
use crate::broadcast::{Broadcast, Queue};
use crate::error::BoxError;
use crate::handshake::Handshake;
use crate::push::{Attendee, Channels, Push, Receiving};
use crate::transport::Authenticated;

/// The application of `polysock serve --app broadcast`: sends each message unchanged to all
/// clients, including its sender. A client that reads slowly loses the oldest messages, unless its
/// [queue](Self::queue) is configured otherwise.
#[derive(Clone, Debug, Default)]
pub struct Broadcaster {
    line: Broadcast,
    binary_over_text: BinaryOverText,
    queue: Queue,
    channel: Option<Arc<Receiving>>,
}

impl Broadcaster {
    /// Creates a broadcaster without clients.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limit of queued messages for a client that reads slowly, and the action when the
    /// limit is exceeded.
    #[must_use]
    pub fn queue(self, queue: Queue) -> Self {
        Self { queue, ..self }
    }

    /// Joins the broadcaster to a channel: messages from its clients are published there, and its
    /// clients receive the messages that others publish.
    ///
    /// With the feature `grip`, a client whose address has `?at=` gets each message as JSON,
    /// `{"at": "62c1", "text": "hello"}` (or `base64`), and `{"at": …, "recovered": true}` first. A
    /// client that reconnects with its last `at` receives the messages it has missed, if the
    /// [node](crate::Node) has a history; `recovered` is `false` if some of them are lost.
    #[must_use]
    pub fn on_channel(self, channels: &Channels, name: &str) -> Self {
        let line = self.line.clone();
        let channel = channels.receive(Some(name), move |_, publication| match &publication.push {
            Push::Nothing => {}
            Push::Message(message) => line.publish(message.clone()),
            Push::Close(close) => line.close(close.clone()),
        });
        Self {
            channel: Some(Arc::new(channel)),
            ..self
        }
    }

    /// Sets the encoding of binary messages for clients whose protocol has none.
    #[must_use]
    pub fn binary_over_text(self, binary_over_text: BinaryOverText) -> Self {
        Self {
            binary_over_text,
            ..self
        }
    }
}

impl Application for Broadcaster {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let (line, queue) = (self.line.clone(), self.queue);
        let channel = self.channel.clone();
        let accept = Accept {
            binary_over_text: self.binary_over_text,
            ..Accept::first_offered(handshake.request())
        };
        let attendee = channel.is_some().then(|| attendee(&handshake));
        #[cfg(feature = "grip")]
        if let (Some(channel), Some(attendee)) = (&channel, &attendee)
            && let Some(since) = recovering::wanted(handshake.request())
        {
            let since = match since {
                Ok(since) => since,
                Err(rejection) => {
                    handshake.reject(rejection);
                    return Box::pin(async { Ok(()) });
                }
            };
            let (channel, attendee) = (Arc::clone(channel), attendee.clone());
            return Box::pin(recovering::serve(
                handshake, accept, channel, since, attendee, queue,
            ));
        }
        Box::pin(async move {
            let mut connection = handshake.accept(accept).await?;
            let _attending = match (&channel, attendee) {
                (Some(channel), Some(attendee)) => channel.attend(attendee),
                _ => None,
            };
            let mut subscription = line.subscribe(queue);
            while let Some(message) = subscription.next(&mut connection).await.transpose()? {
                match &channel {
                    Some(channel) => channel.publish(message),
                    None => line.publish(message),
                }
            }
            Ok(())
        })
    }
}

/// Returns the id and the user of a client, for the presence of the channel.
fn attendee(handshake: &Handshake) -> Attendee {
    let extensions = &handshake.peer().extensions;
    let user = extensions.get::<Authenticated>();
    Attendee {
        id: handshake.peer().id.to_string(),
        user: user.and_then(|user| user.user().map(str::to_owned)),
    }
}
