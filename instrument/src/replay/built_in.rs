//! Polysock in the same process as the other end of a replay.

use std::time::Duration;

use bytestring::ByteString;
use polysock::Peer;
use polysock::upstream::{self, UpstreamError};
use polysock_protocols::{
    Compression, Dial, DialError, Protocol, Rejection, Role, SessionConfig, find_protocol,
};

use super::pipe::SegmentedPipe;
use super::recorder::{OneConnection, Recorder, RecorderHandle};
use crate::replayable::ServerSettings;
use crate::transcript::{Step, Transcript};

/// The time limit for the handshake of the played end.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit if the transcript contains a handshake that was too slow.
const SHORT_TIMEOUT: Duration = Duration::from_millis(300);

/// Starts Polysock in the role from the transcript's headers, and connects to it. Polysock runs in
/// a task on the runtime of the caller.
///
/// # Errors
///
/// The transcript has the role of a client, and its headers do not name a valid server to dial.
pub(super) fn connect(
    transcript: &Transcript,
) -> Result<(SegmentedPipe, RecorderHandle), &'static str> {
    let (ours, theirs) = SegmentedPipe::pair();
    let (recorder, handle) = Recorder::new(transcript.app());
    match transcript.role() {
        Role::Server => {
            let application = OneConnection::new(recorder);
            let gateway = settings(transcript).gateway(application);
            tokio::spawn(async move { gateway.serve_connection(theirs, Peer::default()).await });
        }
        Role::Client => {
            let (protocol, dial) = dial(transcript)?;
            tokio::spawn(call(recorder, protocol, dial, theirs));
        }
    }
    Ok((ours, handle))
}

fn settings(transcript: &Transcript) -> ServerSettings {
    let is_too_slow = |step: &Step| {
        let status = match step {
            Step::Refused(refusal) => refusal.status,
            _ => None,
        };
        status == Some(Rejection::timeout().status)
    };
    let secure = transcript.header("needs") == Some("tls");
    let compresses = transcript.header("compression") == Some("on");
    let mut settings = ServerSettings::replayable(secure);
    settings.site.compression = compresses.then(Compression::default);
    settings.port.handshake_timeout = if transcript.steps.iter().any(is_too_slow) {
        SHORT_TIMEOUT
    } else {
        HANDSHAKE_TIMEOUT
    };
    settings
}

async fn call(
    recorder: Recorder,
    protocol: &'static dyn Protocol,
    dial: Dial,
    pipe: SegmentedPipe,
) {
    let context = ServerSettings::replayable(dial.secure).context();
    let session = SessionConfig::default();
    match upstream::dial(pipe, protocol, &dial, &context, session).await {
        Ok(connection) => recorder.run(connection, &dial.target).await,
        Err(UpstreamError::Refused(refusal)) => {
            let error = DialError::Refused(Box::new(refusal.response));
            recorder.tell(Step::refused(None, error.to_string()));
        }
        Err(UpstreamError::Handshake(error)) => {
            recorder.tell(Step::refused(None, error.to_string()));
        }
        Err(error) => recorder.tell(Step::refused(None, error.to_string())),
    }
}

/// Reads the headers `protocol`, `dial`, `origin` and `subprotocols`.
fn dial(transcript: &Transcript) -> Result<(&'static dyn Protocol, Dial), &'static str> {
    let name = transcript.header("protocol").unwrap_or_default();
    let protocol =
        find_protocol(name).ok_or("`protocol`: a protocol for clients, such as rfc6455")?;
    let url = transcript.header("dial").unwrap_or_default();
    let (secure, rest) = match (url.strip_prefix("ws://"), url.strip_prefix("wss://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return Err("`dial`: a WebSocket URL, such as ws://example.com/chat"),
    };
    let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let offered = transcript.header("subprotocols").unwrap_or_default();
    let offered = offered
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let dial = Dial {
        secure,
        host: host.into(),
        target: target.into(),
        origin: transcript.header("origin").map(ByteString::from),
        subprotocols: offered.map(ByteString::from).collect(),
        ..Dial::default()
    };
    Ok((protocol, dial))
}
