//! `polysock import`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use polysock_instrument::pcap::{Capture, Limits};
use polysock_instrument::transcript::Transcript;
use polysock_instrument::{Import as Imported, gunzip};
use tracing::error;

use crate::exit::Exit;

/// The longest websockify recording that is read, in bytes.
const MAX_RECORDING: u64 = 16 << 20;

/// Write transcripts of the WebSocket sessions in packet captures and websockify recordings
///
/// Writes one `.wire` file for each opening handshake and what followed it: the bytes from the
/// client, segment by segment, and the events that the application must receive. `polysock replay`
/// plays these files. The counts of what was skipped, by reason, are printed on stderr. Exit codes:
/// 0 if any file was written, 1 if none was, or an input could not be read.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// Packet captures (pcap, pcapng), or files of `websockify --record`, optionally compressed
    /// with gzip; `-` for stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Directory to write the transcripts to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,

    /// Keep cookies, credentials and tokens, which are replaced by placeholders otherwise
    #[arg(long)]
    keep_secrets: bool,
}

impl Import {
    pub(crate) fn run(self) -> Exit {
        let (mut written, mut failed) = (0, false);
        for file in &self.files {
            match self.import(file) {
                Ok(count) => written += count,
                Err(problem) => {
                    error!("{}: {problem}", file.display());
                    failed = true;
                }
            }
        }
        if failed || written == 0 {
            Exit::Failed
        } else {
            Exit::Ok
        }
    }

    fn import(&self, file: &Path) -> Result<usize, String> {
        let path = if is_stdin(file) {
            Path::new("stdin")
        } else {
            file
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let import = self.read(file, &name)?;
        let mut problems = io::stderr().lock();
        for (reason, count) in &import.skipped {
            let _ = writeln!(problems, "{name}: skipped {count} {reason}");
        }
        if import.transcripts.is_empty() {
            let _ = writeln!(problems, "{name}: no session to write");
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        fs::create_dir_all(&self.out).map_err(|error| error.to_string())?;
        for (number, (kind, transcript)) in (1..).zip(&import.transcripts) {
            let path = self.out.join(format!("{stem}-{number:03}-{kind}.wire"));
            write(&path, transcript).map_err(|error| format!("{}: {error}", path.display()))?;
            let _ = writeln!(io::stdout(), "{}", path.display());
        }
        Ok(import.transcripts.len())
    }

    fn read(&self, path: &Path, name: &str) -> Result<Imported, String> {
        let file: Box<dyn Read + Send> = if is_stdin(path) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| error.to_string())?)
        };
        let reader = gunzip(BufReader::new(file));
        let mut reader = reader.map_err(|error| error.to_string())?;
        let start = reader.fill_buf().map_err(|error| error.to_string())?;
        if Capture::is_capture(start) {
            let capture = Capture::read(reader, &Limits::default());
            let capture = capture.map_err(|error| error.to_string())?;
            if let Some(damage) = &capture.damage {
                let _ = writeln!(
                    io::stderr(),
                    "{name}: read up to the damaged part: {damage}"
                );
            }
            let source = format!("packet capture {name}");
            return Ok(Imported::of_capture(&capture, &source, self.keep_secrets));
        }
        let mut text = String::new();
        let len = reader.take(MAX_RECORDING + 1).read_to_string(&mut text);
        match len {
            Ok(len) if len as u64 > MAX_RECORDING => {
                Err("neither a packet capture nor a recording of at most 16 MiB".into())
            }
            Ok(_) => Imported::of_websockify(&text, &format!("recording of websockify {name}"))
                .map_err(|error| format!("neither a packet capture nor a recording: {error}")),
            Err(_) => Err("neither a packet capture (pcap, pcapng) nor text".into()),
        }
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Writes a transcript; fails if the file exists.
fn write(path: &Path, transcript: &Transcript) -> io::Result<()> {
    File::create_new(path)?.write_all(transcript.to_string().as_bytes())
}
