//! Sessions for tests of the layer above the codecs.

use bytes::BytesMut;
use polysock_protocols::{Codec, Message, ProtocolError, Role, Session, SessionConfig};

use super::Joined;

/// Returns the session of one end, and the codec of the other.
pub(crate) fn session(name: &str, end: Role) -> (Session, Box<dyn Codec>) {
    limited(name, end, SessionConfig::default().max_message)
}

/// Returns a session with this limit on received messages, in bytes, and the peer's codec.
pub(crate) fn limited(name: &str, end: Role, max_message: u64) -> (Session, Box<dyn Codec>) {
    let (codec, peer) = Joined::sample(name).settled().ends(end);
    let config = SessionConfig {
        max_message,
        ..SessionConfig::default()
    };
    (Session::new(codec, config), peer)
}

/// Returns all messages that a session receives from some bytes.
pub(crate) fn receive(session: &mut Session, bytes: &[u8]) -> Result<Vec<Message>, ProtocolError> {
    let mut src = BytesMut::from(bytes);
    let mut messages = Vec::new();
    while let Some(message) = session.receive(&mut src)? {
        messages.push(message);
    }
    Ok(messages)
}
