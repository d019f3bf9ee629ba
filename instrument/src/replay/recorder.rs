//! The application of a replay, which performs the actions of the transcript and reports its
//! observations.

use std::sync::{Mutex, PoisonError};

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use polysock::{Application, BoxError, Connection, ConnectionError, Handshake};
use polysock_protocols::{Accept, Message};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::transcript::{Action, AppKind, Observation, Step, expand};

/// The application's side of a replay, for one connection.
#[derive(Debug)]
pub(super) struct Recorder {
    app: AppKind,
    observations: UnboundedSender<Step>,
    actions: UnboundedReceiver<Action>,
}

/// The player's side of a recorder.
#[derive(Debug)]
pub(super) struct RecorderHandle {
    /// The observations of the application ([`Step::Sees`]), and the error with which its
    /// connection failed ([`Step::Refused`]). Ends with the connection.
    pub(super) observations: UnboundedReceiver<Step>,
    /// The actions that the application is to perform.
    pub(super) actions: UnboundedSender<Action>,
}

impl Recorder {
    pub(super) fn new(app: AppKind) -> (Self, RecorderHandle) {
        let (observations, seen) = unbounded_channel();
        let (actions, to_do) = unbounded_channel();
        let recorder = Self {
            app,
            observations,
            actions: to_do,
        };
        let handle = RecorderHandle {
            observations: seen,
            actions,
        };
        (recorder, handle)
    }

    /// Serves a connection until it ends, and reports its end.
    pub(super) async fn run(mut self, mut connection: Connection, target: &str) {
        self.tell(Step::Sees(Observation::Open {
            protocol: connection.protocol().to_owned(),
            target: target.to_owned(),
            subprotocol: connection.subprotocol().map(ToString::to_string),
        }));
        let end = match self.exchange(&mut connection).await {
            Ok(()) => {
                let closed = connection.closed();
                Step::Sees(closed.map_or(Observation::End, Observation::from))
            }
            Err(ConnectionError::Aborted | ConnectionError::Io(_)) => Step::Sees(Observation::End),
            Err(error) => Step::refused(None, error.to_string()),
        };
        self.tell(end);
    }

    pub(super) fn tell(&self, step: Step) {
        // The send fails if the player has ended. Its result is then no longer needed.
        let _ = self.observations.send(step);
    }

    async fn exchange(&mut self, connection: &mut Connection) -> Result<(), ConnectionError> {
        let mut echoes = self.app == AppKind::Echo;
        loop {
            tokio::select! {
                message = connection.next() => match message.transpose()? {
                    Some(message) => {
                        self.tell(Step::Sees(message.clone().into()));
                        if echoes {
                            // The same as in the echo of `polysock serve`.
                            connection.feed(message).await?;
                        }
                    }
                    None => return Ok(()),
                },
                Some(action) = self.actions.recv() => match action {
                    Action::Text(parts) => {
                        // The parser has already rejected text that is not UTF-8.
                        let text = ByteString::try_from(expand(&parts)).unwrap_or_default();
                        connection.send(Message::Text(text)).await?;
                    }
                    Action::Binary(parts) => {
                        connection.send(Message::Binary(expand(&parts))).await?;
                    }
                    Action::Close(close) => {
                        connection.start_close(close);
                        echoes = false;
                    }
                },
            }
        }
    }
}

/// An application of a gateway that gives its first connection to a recorder. Further connections,
/// which HTTP/2 allows, are dropped.
#[derive(Debug)]
pub(super) struct OneConnection(Mutex<Option<Recorder>>);

impl OneConnection {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self(Mutex::new(Some(recorder)))
    }
}

impl Application for OneConnection {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let recorder = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            let Some(recorder) = recorder else {
                return Ok(());
            };
            let target = handshake.request().target.clone();
            let accept = Accept::first_offered(handshake.request());
            let connection = handshake.accept(accept).await?;
            recorder.run(connection, &target).await;
            Ok(())
        })
    }
}
