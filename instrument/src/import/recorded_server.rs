//! The messages of a recorded server.

use bytes::BytesMut;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    Accept, Codec, Dial, Negotiated, Negotiation, Session, SessionConfig, find_protocol,
};

use crate::replayable::ServerSettings;
use crate::transcript::{Action, Observation};

/// A decoder for the frames of a recorded server, as a client of the protocol would decode them.
#[derive(Debug)]
pub(super) struct RecordedServer {
    session: Option<Box<Session>>,
    src: BytesMut,
}

impl RecordedServer {
    /// Creates a decoder for a server of this protocol, for the bytes after its answer.
    pub(super) fn new(protocol: &str) -> Self {
        let codec = client_codec(protocol);
        let session = codec.map(|codec| Box::new(Session::new(codec, SessionConfig::default())));
        Self {
            session,
            src: BytesMut::new(),
        }
    }

    /// Returns the messages and the close that these bytes complete.
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

/// Returns the codec with which a client decodes its server, from a handshake with ourselves.
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
