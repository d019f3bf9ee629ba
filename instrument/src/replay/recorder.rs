//! The application of a replay: does what the transcript says, and tells what it sees.

use std::sync::{Mutex, PoisonError};

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use polysock::{Application, BoxError, Connection, ConnectionError, Handshake};
use polysock_protocols::{Accept, Message, Side};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::transcript::{Action, AppKind, Observation, Refusal, Step, expand};

/// The application's side of a replay. It serves one connection.
#[derive(Debug)]
pub(super) struct Recorder {
    app: AppKind,
    observations: UnboundedSender<Step>,
    /// Taken by the connection.
    actions: Mutex<Option<UnboundedReceiver<Action>>>,
}

/// The player's side of it.
#[derive(Debug)]
pub(super) struct RecorderHandle {
    /// What the application sees ([`Step::Sees`]) and what its connection fails of
    /// ([`Step::Refused`]); ends with the connection.
    pub(super) observations: UnboundedReceiver<Step>,
    /// What it is to do.
    pub(super) actions: UnboundedSender<Action>,
}

impl Recorder {
    pub(super) fn new(app: AppKind) -> (Self, RecorderHandle) {
        let (observations, seen) = unbounded_channel();
        let (actions, to_do) = unbounded_channel();
        let recorder = Self {
            app,
            observations,
            actions: Mutex::new(Some(to_do)),
        };
        let handle = RecorderHandle {
            observations: seen,
            actions,
        };
        (recorder, handle)
    }

    /// Serves a connection to its end, which is told as well.
    pub(super) async fn run(&self, mut connection: Connection, target: &str) {
        let actions = self
            .actions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.tell(Step::Sees(Observation::Open {
            protocol: connection.protocol().to_owned(),
            target: target.to_owned(),
            subprotocol: connection.subprotocol().map(ToString::to_string),
        }));
        let end = match actions {
            Some(actions) => self.exchange(&mut connection, actions).await,
            None => Ok(()),
        };
        self.tell(match end {
            Ok(()) => Step::Sees(end_of(&connection)),
            Err(ConnectionError::Aborted | ConnectionError::Io(_)) => Step::Sees(Observation::End),
            Err(error) => failure(&error),
        });
    }

    pub(super) fn tell(&self, step: Step) {
        // A player that has seen enough listens no more.
        let _ = self.observations.send(step);
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        mut actions: UnboundedReceiver<Action>,
    ) -> Result<(), ConnectionError> {
        let mut echoes = self.app == AppKind::Echo;
        loop {
            tokio::select! {
                message = connection.next() => match message.transpose()? {
                    Some(message) => {
                        self.tell(Step::Sees(message.clone().into()));
                        if echoes {
                            // As the echo of `polysock serve` does it.
                            connection.feed(message).await?;
                        }
                    }
                    None => return Ok(()),
                },
                Some(action) = actions.recv() => match action {
                    Action::Text(parts) => {
                        // The parser has let only UTF-8 pass.
                        let text = ByteString::try_from(expand(&parts)).unwrap_or_default();
                        connection.send(Message::Text(text)).await?;
                    }
                    Action::Binary(parts) => connection.send(Message::Binary(expand(&parts))).await?,
                    Action::Close(close) => {
                        connection.start_close(close);
                        echoes = false;
                    }
                },
            }
        }
    }
}

impl Application for Recorder {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let (observations, app) = (self.observations.clone(), self.app);
        let actions = self
            .actions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Box::pin(async move {
            let recorder = Self {
                app,
                observations,
                actions: Mutex::new(actions),
            };
            let target = handshake.request().target.clone();
            let accept = Accept::first_offered(handshake.request());
            let connection = handshake.accept(accept).await?;
            recorder.run(connection, &target).await;
            Ok(())
        })
    }
}

/// An error, as a transcript has it.
pub(super) fn failure(error: &impl ToString) -> Step {
    Step::Refused(Refusal {
        status: None,
        rule: error.to_string(),
    })
}

/// How a connection ended that did not fail.
fn end_of(connection: &Connection) -> Observation {
    match connection.closed() {
        Some(closed) if closed.clean && closed.by == Side::Peer => {
            Observation::Close(closed.close.clone())
        }
        Some(closed) if closed.clean => Observation::Closed(closed.close.clone()),
        Some(_) | None => Observation::End,
    }
}
