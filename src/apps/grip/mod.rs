//! A web app as the application: each event of a WebSocket becomes an HTTP request to the web app,
//! and the response contains the actions for the client (WebSocket-over-HTTP, GRIP).
//!
//! ```text
//!   client ◀─ messages ─▶ conversation ──POST: OPEN, TEXT, CLOSE…──▶ web app
//!                            ▲   │ ◀──── TEXT m:…, c:{"type":"subscribe"…} ───┘
//!               publications │   ▼
//!                           Channels
//!
//!   timer          a timer that may not be set
//!   events         the events in the bodies of requests and responses
//!   control        the control messages of a web app
//!   origin         requests to the web app, and their responses
//!   event_queue    the queue of events for the web app, one request at a time
//!   client_state   the actions for a client that the web app orders
//!   conversation   the exchange between a client and the web app, from the open to the close
//!   hold           ordinary requests, which the web app may hold
//! ```

mod client_state;
mod control;
mod conversation;
mod event_queue;
mod events;
mod hold;
mod origin;
mod timer;

use futures_core::future::BoxFuture;
use polysock_protocols::{Accept, BinaryOverText, Rejection};

use self::client_state::{ClientState, Cut};
use self::conversation::Conversation;
pub use self::hold::GripProxy;
use self::origin::{Opened, Origin};
use super::application::Application;
use crate::broadcast::{MAILBOX, Queue, mailboxes};
use crate::error::{BoxError, ConnectionError};
use crate::handshake::Handshake;
use crate::push::{Channels, GripKey};
use crate::upstream::{HttpUpstream, UpstreamError};

/// The application of the targets `http+grip://` and `https+grip://`: a web app receives each event
/// of a WebSocket as a request. Its response contains messages for the client, channel
/// subscriptions, and the close. The web app publishes to channels by requests of its own
/// ([`Publisher`](crate::apps::Publisher)).
///
/// At most one request for each client is in flight; events that happen meanwhile are sent together
/// in the next. Pings are answered here, and the web app does not see them.
#[derive(Clone, Debug)]
pub struct Grip {
    upstream: HttpUpstream,
    channels: Channels,
    key: Option<GripKey>,
    queue: Queue,
    binary_over_text: BinaryOverText,
}

impl Grip {
    /// Creates the application for a web app, whose clients are subscribed to these channels.
    pub fn new(upstream: HttpUpstream, channels: Channels) -> Self {
        Self {
            upstream,
            channels,
            key: None,
            queue: MAILBOX,
            binary_over_text: BinaryOverText::default(),
        }
    }

    /// Signs each request with this key (`Grip-Sig`).
    #[must_use]
    pub fn signed(self, key: GripKey) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// Sets the limit of queued messages for a client that reads slowly, and the action when the
    /// limit is exceeded. By default the limit is 16,384 messages or 4 MiB, and a client that
    /// exceeds it is closed with 1008.
    #[must_use]
    pub fn queue(self, queue: Queue) -> Self {
        Self { queue, ..self }
    }

    /// Sets the encoding of binary messages for clients whose protocol has none. By default such a
    /// client is closed.
    #[must_use]
    pub fn binary_over_text(self, binary_over_text: BinaryOverText) -> Self {
        Self {
            binary_over_text,
            ..self
        }
    }
}

impl Application for Grip {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let grip = self.clone();
        Box::pin(async move {
            // Boxed, so that the state of the opening is not part of every connection's task.
            let Some(conversation) = Box::pin(grip.open(handshake)).await? else {
                return Ok(());
            };
            conversation.hold().await
        })
    }
}

impl Grip {
    /// Sends OPEN to the web app, and accepts the client if the web app does; `None` if it does
    /// not.
    async fn open(self, mut handshake: Handshake) -> Result<Option<Conversation>, BoxError> {
        let (request, peer, gone) = handshake.watched();
        let mut origin = Origin::new(self.upstream, self.key, request, peer);
        let opened = tokio::select! {
            opened = origin.open(request) => opened,
            () = gone => return Err(ConnectionError::Aborted.into()),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(refused) => {
                let (rejection, error) = *refused;
                handshake.reject(rejection);
                return match error {
                    Some(error) => Err(error.into()),
                    None => Ok(None),
                };
            }
        };
        let Opened {
            subprotocol,
            fields,
            answer,
        } = opened;
        // Subscribed before the client is accepted, so that it receives everything published
        // afterwards.
        let post = mailboxes(self.queue);
        let mut client_state = ClientState::new(post.mailbox(), origin, self.channels);
        if let Err(Cut(error)) = client_state.act(answer) {
            handshake.reject(Rejection::new(502, "the web app's answer is not valid"));
            return error.map_or(Ok(None), |error| Err(error.into()));
        }
        let accept = Accept {
            subprotocol,
            fields,
            binary_over_text: self.binary_over_text,
        };
        handshake.echo_close_reason();
        let connection = handshake.accept(accept).await?;
        Ok(Some(Conversation::new(connection, post, client_state)))
    }
}

/// Returns the rejection for a client whose web app does not answer.
fn unanswered(error: &UpstreamError) -> Rejection {
    match error {
        UpstreamError::Timeout => Rejection::new(504, "the web app did not answer in time"),
        UpstreamError::Path => Rejection::new(400, error),
        _ => Rejection::new(502, "the web app cannot be reached"),
    }
}
