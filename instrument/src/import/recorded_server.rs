//! The messages of a recorded server.

use bytes::BytesMut;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    Accept, Codec, Dial, Negotiated, Negotiation, Session, SessionConfig, find_protocol,
};

use crate::replayable::ServerSettings;
use crate::transcript::{Action, Observation};

/// The words of a server behind the handshake, decoded as a client of the protocol would.
#[derive(Debug)]
pub(super) struct RecordedServer {
    session: Option<Box<Session>>,
    src: BytesMut,
}

impl RecordedServer {
    /// A server of this protocol, behind its answer.
    pub(super) fn new(protocol: &str) -> Self {
        let codec = client_codec(protocol);
        let session = codec.map(|codec| Box::new(Session::new(codec, SessionConfig::default())));
        Self {
            session,
            src: BytesMut::new(),
        }
    }

    /// The messages and the close that are complete with these bytes.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Vec<Action> {
        self.src.extend_from_slice(bytes);
        let mut actions = Vec::new();
        let Some(session) = &mut self.session else {
            return actions;
        };
        while let Ok(Some(message)) = session.receive(&mut self.src) {
            actions.push(match message.into() {
                Observation::Binary(parts) => Action::Binary(parts),
                Observation::Text(parts) => Action::Text(parts),
                _ => continue,
            });
        }
        let close = session.closed().map(|closed| closed.close.clone());
        if let Some(close) = close {
            actions.push(Action::Close(close));
            self.session = None;
        }
        actions
    }
}

/// The codec with which a client of a protocol decodes its server: of a handshake with ourselves.
fn client_codec(protocol: &str) -> Option<Box<dyn Codec>> {
    let protocol = find_protocol(protocol)?;
    let dial = Dial {
        host: "localhost".into(),
        ..Dial::default()
    };
    let context = ServerSettings::replayable(false).context();
    let mut dialer = protocol.dial(&dial, &context).ok()?;
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    dialer.advance(&mut down, &mut up).ok()?;
    let protocols = [protocol];
    let mut negotiation = Negotiation::new(&protocols, HeadLimits::default());
    let negotiated = negotiation.advance(&mut up).ok()??;
    let Negotiated::WebSocket(recognised) = negotiated else {
        return None;
    };
    let mut opening = recognised.open(&context).ok()?;
    let accept = Accept::default();
    opening
        .responder
        .respond(&accept, &mut up, &mut down)
        .ok()??;
    let dialled = dialer.advance(&mut down, &mut up).ok()??;
    Some(dialled.codec)
}
