//! A dry run of a server over the bytes of a recorded client: the real negotiation, codec and
//! session, without a socket.

use bytes::{Buf, BytesMut};
use polysock::{Opened, Opener};
use polysock_protocols::{
    Accept, FirstBytes, HandshakeError, Message, Opening, PROTOCOLS, Rejection, Session,
    SessionConfig,
};

use crate::replayable::ServerSettings;
use crate::transcript::{Action, AppKind, Line, Observation, Step, expand};

/// A server that receives the bytes of a recorded client.
#[derive(Debug)]
pub(super) struct DryRun {
    app: AppKind,
    secure: bool,
    src: BytesMut,
    stage: Stage,
    /// The bytes that it has sent.
    pub(super) said: BytesMut,
    /// The protocol. `None` until it is recognised.
    pub(super) protocol: Option<&'static str>,
}

#[derive(Debug)]
enum Stage {
    Head,
    Answering(Opening),
    Open(Box<Session>),
    Over,
}

impl DryRun {
    pub(super) fn new(app: AppKind, secure: bool) -> Self {
        Self {
            app,
            secure,
            src: BytesMut::new(),
            stage: Stage::Head,
            said: BytesMut::new(),
            protocol: None,
        }
    }

    /// Processes bytes of the client, and returns what the application observes.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Vec<Step> {
        self.src.extend_from_slice(bytes);
        let mut seen = Vec::new();
        while self.advance(&mut seen) {}
        seen
    }

    /// Processes the end of the client's direction.
    pub(super) fn receive_eof(&mut self) -> Vec<Step> {
        let mut seen = Vec::new();
        if let Stage::Open(session) = &mut self.stage {
            session.receive_eof();
            self.drain();
            self.close(&mut seen);
        }
        self.stage = Stage::Over;
        seen
    }

    /// Lets the deadline for the opening handshake expire.
    pub(super) fn time_out(&mut self) {
        if matches!(self.stage, Stage::Head) && FirstBytes::of(&self.src) == FirstBytes::Http1 {
            Rejection::timeout().write(&mut self.said);
            self.stage = Stage::Over;
        }
    }

    /// Performs an action of the application. Returns false if that is not possible.
    pub(super) fn act(&mut self, action: &Action) -> bool {
        let Stage::Open(session) = &mut self.stage else {
            return false;
        };
        let done = match action {
            Action::Text(parts) => match expand(parts).try_into() {
                Ok(text) => session.send(Message::Text(text)).is_ok(),
                Err(_) => false,
            },
            Action::Binary(parts) => session.send(Message::Binary(expand(parts))).is_ok(),
            Action::Close(close) => {
                session.close(close.clone());
                true
            }
        };
        self.drain();
        done
    }

    /// Returns the bytes sent since the last call, as lines.
    pub(super) fn take_said(&mut self) -> impl Iterator<Item = Line> + use<> {
        let said = self.said.split().freeze();
        let is_head = said.starts_with(b"HTTP/");
        let lines = said.split_inclusive(move |byte| is_head && *byte == b'\n');
        let lines: Vec<Line> = lines
            .map(|line| Line::bytes(said.slice_ref(line)))
            .collect();
        lines.into_iter()
    }

    /// Makes one step. Returns false if more input is needed.
    fn advance(&mut self, seen: &mut Vec<Step>) -> bool {
        match &mut self.stage {
            Stage::Head => self.negotiate(seen),
            Stage::Answering(opening) => {
                let accept = Accept::first_offered(&opening.request);
                let codec = opening
                    .responder
                    .respond(&accept, &mut self.src, &mut self.said);
                let Ok(Some(codec)) = codec else {
                    return false;
                };
                seen.push(Step::Sees(Observation::Open {
                    protocol: opening.request.protocol.name().to_owned(),
                    target: opening.request.target.to_string(),
                    subprotocol: accept.subprotocol.map(|name| name.to_string()),
                }));
                let session = Session::new(codec, SessionConfig::default());
                self.stage = Stage::Open(Box::new(session));
                true
            }
            Stage::Open(session) => {
                let received = session.receive(&mut self.src);
                match received {
                    Ok(Some(message)) => {
                        seen.push(Step::Sees(message.clone().into()));
                        if self.app == AppKind::Echo {
                            // A session that has begun to close sends nothing more.
                            let _ = session.send(message);
                        }
                        self.drain();
                        true
                    }
                    Ok(None) => {
                        self.drain();
                        self.close(seen);
                        false
                    }
                    Err(error) => {
                        self.drain();
                        seen.push(Step::refused(None, error.to_string()));
                        self.stage = Stage::Over;
                        false
                    }
                }
            }
            Stage::Over => false,
        }
    }

    fn negotiate(&mut self, seen: &mut Vec<Step>) -> bool {
        let settings = ServerSettings::replayable(self.secure);
        let error = match Opener::new(&settings.port, None).advance(&mut self.src) {
            None => return false,
            Some(Opened::WebSocket(recognised)) => match recognised.open(&settings.context()) {
                Ok(opening) => {
                    self.protocol = Some(opening.request.protocol.name());
                    self.stage = Stage::Answering(opening);
                    return true;
                }
                Err(error) => error,
            },
            Some(Opened::Refused(error)) => error,
            Some(_) => {
                self.stage = Stage::Over;
                return false;
            }
        };
        self.refuse(&error, seen);
        false
    }

    fn refuse(&mut self, error: &HandshakeError, seen: &mut Vec<Step>) {
        let rejection = Rejection::of(error, PROTOCOLS);
        rejection.write(&mut self.said);
        seen.push(Step::refused(Some(rejection.status), rejection.reason()));
        self.stage = Stage::Over;
    }

    fn drain(&mut self) {
        if let Stage::Open(session) = &mut self.stage {
            let outgoing = session.outgoing();
            self.said
                .extend_from_slice(&outgoing.copy_to_bytes(outgoing.remaining()));
        }
    }

    /// Records the end of the connection once it has closed.
    fn close(&mut self, seen: &mut Vec<Step>) {
        if let Stage::Open(session) = &self.stage
            && let Some(closed) = session.closed()
        {
            seen.push(Step::Sees(closed.into()));
            self.stage = Stage::Over;
        }
    }
}
