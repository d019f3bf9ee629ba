//! `polysock ctl tap`.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use bytes::{Buf, BytesMut};
use clap::{Args, ValueEnum};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::signal::ctrl_c;

use super::Chosen;
use super::transcripts::Transcripts;
use crate::control::{Client, ClientError, tapped_text};
use crate::exit::Exit;

/// The longest line, in bytes: a frame of a megabyte in base64, and more.
const LONGEST: usize = 64 << 20;

#[derive(Args, Debug)]
pub(super) struct Tap {
    /// ID of the connection; without it, all connections that the options select, including those
    /// that open meanwhile
    id: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    /// Show the contents of messages, up to 256 bytes of each
    #[arg(long)]
    payload: bool,
    /// Show the bytes on the wire, up to 256 of each frame
    #[arg(long)]
    raw: bool,
    /// Output format: text, json, or wire for transcripts for `polysock replay`, of the connections
    /// that open meanwhile
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Directory to write the transcripts to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Duration of the tap, at most ten minutes
    #[arg(long = "for", value_name = "TIME", default_value = "10m")]
    time: String,
    /// Maximum number of events, at most 10,000
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    events: u64,
    /// Keep cookies, credentials and tokens of opening handshakes, which are replaced by placeholders
    /// otherwise
    #[arg(long)]
    keep_secrets: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
    Wire,
}

impl Tap {
    /// Taps, and prints the events until the tap has ended or the user interrupts it.
    ///
    /// # Errors
    ///
    /// The server does not answer, or refuses.
    pub(super) async fn run(mut self, client: &Client, is_json: bool) -> Result<Exit, ClientError> {
        if is_json && self.output == Output::Text {
            self.output = Output::Json;
        }
        let path = match &self.id {
            Some(id) => format!("/connections/{id}/tap"),
            None => "/tap".to_owned(),
        };
        let body = json!({
            "filter": self.chosen.filter(),
            "payload": self.payload,
            "wire": self.raw,
            "transcript": self.output == Output::Wire,
            "keep_secrets": self.keep_secrets,
            "for": self.time,
            "events": self.events,
        });
        let mut transcripts = match self.output {
            Output::Wire => match Transcripts::new(&self.out, self.keep_secrets) {
                Ok(transcripts) => Some(transcripts),
                Err(error) => {
                    let out = self.out.display();
                    return Ok(Exit::Failed.with(format!("{out}: {error}")));
                }
            },
            Output::Text | Output::Json => None,
        };
        let mut answer = client.open(&path, &body).await?;
        let mut lines = BytesMut::new();
        loop {
            let frame = tokio::select! {
                frame = answer.frame() => frame,
                _ = ctrl_c() => break,
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            lines.extend_from_slice(&data);
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let line = lines.split_to(end);
                lines.advance(1);
                // The server sends an empty line as a sign of life.
                if line.is_empty() {
                    continue;
                }
                let told = self.tell(&line, transcripts.as_mut())?;
                if let Err(error) = told {
                    return Ok(match error.kind() {
                        // The reader of our output has closed the pipe.
                        ErrorKind::BrokenPipe => Exit::Ok,
                        _ => Exit::Failed.with(format!("cannot write the output: {error}")),
                    });
                }
            }
            if lines.len() > LONGEST {
                return Ok(Exit::Failed.with("a line of the answer is longer than 64 MiB"));
            }
        }
        let mut stdout = io::stdout().lock();
        let finished =
            transcripts.map_or(Ok(()), |mut transcripts| transcripts.finish(&mut stdout));
        Ok(match finished {
            Ok(()) => Exit::Ok,
            Err(error) => Exit::Failed.with(format!("a transcript cannot be written: {error}")),
        })
    }

    /// Prints an event, or records it in a transcript.
    fn tell(
        &self,
        line: &[u8],
        transcripts: Option<&mut Transcripts>,
    ) -> Result<io::Result<()>, ClientError> {
        let value: Value = serde_json::from_slice(line)?;
        let mut stdout = io::stdout().lock();
        let written = match (transcripts, self.output) {
            (Some(transcripts), _) => transcripts.note(&value, &mut stdout),
            (None, Output::Text) => stdout.write_all(tapped_text(&value).as_bytes()),
            (None, _) => writeln!(stdout, "{value}"),
        };
        Ok(written.and_then(|()| stdout.flush()))
    }
}
