//! The writer of captured sessions to a directory.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Once};
use std::thread;

use polysock::Transport;
use polysock_protocols::FirstBytes;
use tokio::net::TcpStream;
use tracing::{error, info, warn};

use super::queue::{Queue, Work};
use super::recording::Recording;
use super::tap::Tap;
use super::transcript_dir::TranscriptDir;
use crate::import::{Import, date};
use crate::pcap::{Conversation, Peer};
use crate::transcript::{Content, Part, Step, Transcript};

/// The settings of a capture.
#[derive(Clone, Debug)]
pub struct CaptureSettings {
    /// The provenance: the header `source` of each fixture.
    pub source: String,
    /// The client: the header `client`. `None` to use the clients' own `User-Agent`.
    pub client: Option<String>,
    /// Keep cookies, credentials and tokens. Otherwise stand-ins replace them.
    pub keep_secrets: bool,
    /// The number of bytes that are kept of a connection. Each segment counts some 100 bytes extra.
    pub max_size: usize,
    /// The number of fixtures that the directory may contain. Connections beyond it are served but
    /// not captured.
    pub max_fixtures: usize,
    /// Called in the writing thread for each connection that is not written.
    pub on_skip: fn(SocketAddr, Skip),
}

/// The reason for which a connection is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// The connection is HTTP/2, and secrets are not kept ([`CaptureSettings::keep_secrets`]). Its
    /// fields are compressed, so they cannot be masked.
    UnmaskableSecrets,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        Self {
            source: "polysock capture".into(),
            client: None,
            keep_secrets: false,
            max_size: 1 << 20,
            max_fixtures: 1000,
            on_skip: |peer, reason| warn!(%peer, %reason, "connection not written"),
        }
    }
}

/// A writer of fixtures to a directory: one for each connection that passes through a
/// [`tap`](Self::tap), written when the connection has ended. Clones share their state.
///
/// A file appears under its name only when it is complete and on disk. All connections together are
/// recorded with at most 256 MiB; recordings that would need more are cut.
#[derive(Clone, Debug)]
pub struct CaptureWriter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: CaptureSettings,
    /// The number of fixtures that there is still room for. Connections that are being captured are
    /// already subtracted.
    left: Arc<AtomicUsize>,
    /// The size of all recordings, in bytes.
    held: Arc<AtomicUsize>,
    /// Run when there is no room for the first time.
    is_full: Once,
    queue: Arc<Queue>,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnmaskableSecrets => "the secrets of HTTP/2 cannot be masked",
        })
    }
}

impl CaptureWriter {
    /// Creates the directory if it does not exist, and starts the writing thread.
    ///
    /// # Errors
    ///
    /// The directory cannot be created or read, or the thread cannot be started.
    pub fn open(directory: &Path, settings: CaptureSettings) -> io::Result<Self> {
        let output = TranscriptDir::open(directory)?;
        let left = settings.max_fixtures.saturating_sub(output.count()?);
        let left = Arc::new(AtomicUsize::new(left));
        let (queue, to_do) = Queue::new();
        let thread = WriterThread {
            output,
            settings: settings.clone(),
            left: Arc::clone(&left),
        };
        thread::Builder::new()
            .name("captures".into())
            .spawn(move || thread.run(&to_do))?;
        let shared = Shared {
            settings,
            left,
            held: Arc::default(),
            is_full: Once::new(),
            queue: Arc::new(queue),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Returns the connection as a transport that is captured, or as it is if the directory is
    /// full.
    pub fn tap(&self, stream: TcpStream, peer: SocketAddr) -> Box<dyn Transport> {
        let left = &self.shared.left;
        let claim = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        });
        match (claim, stream.local_addr()) {
            (Ok(_), Ok(local)) => {
                let max = self.shared.settings.max_size;
                let recording = Recording::new(peer, local, max, Arc::clone(&self.shared.held));
                Box::new(Tap::new(stream, recording, Arc::clone(&self.shared.queue)))
            }
            _ => {
                self.shared.is_full.call_once(|| {
                    warn!(
                        "the directory has reached its limit of {} fixtures: from now on \
                         connections are served but not captured",
                        self.shared.settings.max_fixtures
                    );
                });
                Box::new(stream)
            }
        }
    }

    /// Makes connections that are dropped from now on count as cut, and not as ended by their
    /// server.
    pub fn end(&self) {
        self.shared.queue.end();
    }

    /// Waits until all ended connections are on disk. Blocks the calling thread.
    pub fn finish(&self) {
        self.shared.queue.finish();
    }
}

/// The thread that writes the recordings.
#[derive(Debug)]
struct WriterThread {
    output: TranscriptDir,
    settings: CaptureSettings,
    left: Arc<AtomicUsize>,
}

impl WriterThread {
    fn run(&self, to_do: &Receiver<Work>) {
        for work in to_do {
            match work {
                Work::Write(recording) => self.write(recording.conversation()),
                Work::Finish(sender) => {
                    let _ = sender.send(());
                }
            }
        }
    }

    fn write(&self, conversation: &Conversation) {
        let peer = conversation.client;
        let CaptureSettings {
            source,
            keep_secrets,
            ..
        } = &self.settings;
        // The fields of HTTP/2 are compressed, so secrets in them cannot be found.
        let is_opaque = FirstBytes::of(&conversation.bytes_from(Peer::Client)) == FirstBytes::Http2;
        if is_opaque && !keep_secrets {
            (self.settings.on_skip)(peer, Skip::UnmaskableSecrets);
        }
        let transcript = Import::from_conversation(conversation, source, *keep_secrets);
        let Some(mut transcript) = transcript.filter(|_| !is_opaque || *keep_secrets) else {
            self.left.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut headers = transcript.headers.iter_mut();
        let client = headers.find(|header| header.name == "client");
        if let (Some(header), Some(client)) = (client, &self.settings.client) {
            header.value.clone_from(client);
        }
        let name = name(conversation, &transcript);
        match self.output.put(&name, &transcript.to_string()) {
            Ok(path) => info!(%peer, path = %path.display(), "captured"),
            Err(error) => {
                self.left.fetch_add(1, Ordering::Relaxed);
                error!(%peer, %error, "cannot write a capture");
            }
        }
    }
}

/// Returns the file name: time, protocol, peer and outcome.
fn name(conversation: &Conversation, transcript: &Transcript) -> String {
    let began = conversation.began;
    let (second, milli) = (began.as_secs() % 86_400, began.subsec_millis());
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let protocol = transcript.header("protocol").unwrap_or_default();
    let host = conversation.client.ip().to_canonical().to_string();
    let (host, port) = (host.replace(':', "_"), conversation.client.port());
    format!(
        "{}T{hour:02}-{minute:02}-{second:02}.{milli:03}Z-{protocol}-{host}_{port}-{}",
        date(began),
        outcome(&transcript.steps)
    )
}

/// Returns the outcome of the handshake.
fn outcome(steps: &[Step]) -> String {
    let is_101 = |step: &Step| match step {
        Step::Server(line) => match &line.content {
            Content::Bytes(parts) => match parts.first() {
                Some(Part::Bytes(bytes)) => bytes.starts_with(b"HTTP/1.1 101"),
                _ => false,
            },
            Content::End => false,
        },
        _ => false,
    };
    let refused = steps.iter().find_map(|step| match step {
        Step::Refused(refusal) => refusal.status,
        _ => None,
    });
    match refused {
        Some(status) => format!("refused-{status}"),
        None if steps.iter().any(is_101) => "open".into(),
        None => "other".into(),
    }
}
