//! Transcripts of tapped connections.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use polysock_instrument::pcap::{Conversation, End, Note, Peer, Run};
use polysock_instrument::{Import, TranscriptDir};
use serde_json::Value;

/// The source in the header of a transcript.
const SOURCE: &str = "polysock ctl tap";

/// The transcripts that are being recorded.
pub(super) struct Transcripts {
    directory: TranscriptDir,
    keep_secrets: bool,
    /// The open conversations, by the names of their files.
    open: HashMap<String, Conversation>,
}

impl Transcripts {
    /// Opens a directory for transcripts, and creates it if it does not exist.
    pub(super) fn new(directory: &Path, keep_secrets: bool) -> io::Result<Self> {
        Ok(Self {
            directory: TranscriptDir::open(directory)?,
            keep_secrets,
            open: HashMap::new(),
        })
    }

    /// Records an event, and writes the transcripts that it completes.
    pub(super) fn note(&mut self, line: &Value, told: &mut impl Write) -> io::Result<()> {
        let of = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{}-{}", of("id"), of("end"));
        // Polysock is the client of the upstream.
        let (theirs, ours) = match of("end") {
            "upstream" => (Peer::Server, Peer::Client),
            _ => (Peer::Client, Peer::Server),
        };
        let micros = line.get("unix_us").and_then(Value::as_u64);
        let at = Duration::from_micros(micros.unwrap_or_default());
        let bytes = |name: &str| STANDARD.decode(of(name)).unwrap_or_default();
        match of("what") {
            "missed" => {
                for conversation in self.open.values_mut() {
                    let lens = conversation.runs.iter().map(|run| run.bytes.len());
                    conversation.notes.push(Note::Longer(lens.sum()));
                }
            }
            "over" => return self.finish(told),
            // Without its handshake a connection has no transcript.
            "begun" if line.get("handshake_sent").is_some() => {
                let mut conversation = Conversation {
                    client: address(of("peer")),
                    server: address(""),
                    began: at,
                    runs: Vec::new(),
                    ends: Vec::new(),
                    notes: Vec::new(),
                };
                let mut said = [(theirs, "handshake_received"), (ours, "handshake_sent")];
                said.sort_by_key(|(from, _)| *from == Peer::Server);
                for (from, name) in said {
                    push(&mut conversation, at, from, bytes(name));
                }
                self.open.insert(name, conversation);
            }
            "ended" => {
                if let Some(mut conversation) = self.open.remove(&name) {
                    let has_ended = |by| conversation.ends.iter().any(|end| end.by == by);
                    if !has_ended(ours) {
                        end(&mut conversation, at, ours);
                    }
                    return self.write(&name, &conversation, told);
                }
            }
            "hung up" => {
                if let Some(conversation) = self.open.get_mut(&name) {
                    end(conversation, at, theirs);
                }
            }
            _ => {
                if let Some(conversation) = self.open.get_mut(&name)
                    && conversation.notes.is_empty()
                {
                    let from = if of("way") == "sent" { ours } else { theirs };
                    push(conversation, at, from, bytes("wire"));
                }
            }
        }
        Ok(())
    }

    /// Writes the transcripts of connections that are still open.
    pub(super) fn finish(&mut self, told: &mut impl Write) -> io::Result<()> {
        for (name, mut conversation) in std::mem::take(&mut self.open) {
            conversation.notes.push(Note::Unfinished);
            self.write(&name, &conversation, told)?;
        }
        Ok(())
    }

    fn write(
        &self,
        name: &str,
        conversation: &Conversation,
        told: &mut impl Write,
    ) -> io::Result<()> {
        let transcript = Import::from_conversation(conversation, SOURCE, self.keep_secrets);
        if let Some(transcript) = transcript {
            let path = self.directory.put(name, &transcript.to_string())?;
            writeln!(told, "{}", path.display())?;
        }
        Ok(())
    }
}

/// Parses the peer's address; 0.0.0.0:0 if it is unknown.
fn address(text: &str) -> SocketAddr {
    let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    text.parse().unwrap_or(nobody)
}

fn push(conversation: &mut Conversation, at: Duration, from: Peer, bytes: Vec<u8>) {
    let at = since(conversation, at);
    let bytes = Bytes::from(bytes);
    conversation.runs.push(Run { at, from, bytes });
}

fn end(conversation: &mut Conversation, at: Duration, by: Peer) {
    let at = since(conversation, at);
    let reset = false;
    conversation.ends.push(End { at, by, reset });
}

/// The time since the conversation began, later than its last event.
fn since(conversation: &Conversation, at: Duration) -> Duration {
    let runs = conversation.runs.last().map(|run| run.at);
    let last = runs.max(conversation.ends.last().map(|end| end.at));
    let next = last.map_or(Duration::ZERO, |last| last + Duration::from_nanos(1));
    at.saturating_sub(conversation.began).max(next)
}
