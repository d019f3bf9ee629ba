//! `polysock explain`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::{Arg, Args};
use polysock_instrument::transcript::{Fixture, Step};
use polysock_instrument::{Explanation, Input, Outcome, Remedy, ServerSettings};
use serde_json::Value;

use crate::exit::Exit;
use crate::flags::remedy as remedy_words;
use crate::flags::site::{AcceptFlags, PortFlags, port_settings, site_settings};

/// Explain why a client's opening handshake is refused, by which rule, and what would accept it
///
/// Reads the bytes that a client sent: raw, a `.wire` transcript, a hex dump or a packet capture
/// (pcap, pcapng), optionally compressed with gzip; the format is detected from the content. The
/// options are those of `polysock serve`. Exit codes: 0 if every client would be accepted, 1 if any
/// would be refused, else 2 if any was not understood.
#[derive(Args, Debug)]
#[command(mut_args(|flag| told_of_a_server(flag)))]
pub(crate) struct Explain {
    /// File with the bytes that a client sent, or `-` for stdin
    #[arg(value_name = "FILE", required_unless_present = "last_refused")]
    file: Option<PathBuf>,

    /// Explain the newest transcript of a refused handshake in this directory of captures
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    last_refused: Option<PathBuf>,

    /// Print JSON, with the schema in docs/explain.md
    #[arg(long)]
    json: bool,

    /// Show cookies, credentials and tokens of the request and the answer, which are replaced by
    /// placeholders otherwise
    #[arg(long)]
    keep_secrets: bool,

    #[command(flatten)]
    accept: AcceptFlags,

    #[command(flatten)]
    port: PortFlags,
}

/// The help of `polysock serve`'s flags, worded for a server elsewhere.
const HELP: [(&str, &str); 5] = [
    (
        "protocols",
        "Protocols that the server speaks: comma-separated names, or `all`, `modern`, `legacy`, \
         `default`",
    ),
    (
        "origin",
        "Origin that the server allows. Repeatable. Without it every origin is allowed",
    ),
    (
        "flash_policy",
        "Assume that the server answers Flash socket policy requests",
    ),
    ("secure", "Assume that a proxy in front terminates TLS"),
    ("max_head", "Maximum size of a head that the server accepts"),
];

fn told_of_a_server(flag: Arg) -> Arg {
    let help = HELP.iter().find(|(name, _)| flag.get_id() == name);
    match help {
        Some((_, help)) => flag.help(*help),
        None => flag,
    }
}

impl Explain {
    pub(crate) fn run(self) -> Exit {
        match self.inputs() {
            Ok(inputs) => self.explain(&inputs),
            Err(problem) => Exit::Usage.with(problem),
        }
    }

    fn inputs(&self) -> Result<Vec<Input>, String> {
        let newest = self
            .last_refused
            .as_deref()
            .map(newest_refused)
            .transpose()?;
        let path = newest.or_else(|| self.file.clone()).unwrap_or_default();
        let (name, reader): (_, Box<dyn BufRead + Send>) = if path.as_os_str() == "-" {
            ("stdin".to_owned(), Box::new(BufReader::new(io::stdin())))
        } else {
            let name = path.display().to_string();
            let file = File::open(&path).map_err(|error| format!("{name}: {error}"))?;
            (name, Box::new(BufReader::new(file)))
        };
        Input::read(&name, reader).map_err(|error| error.to_string())
    }

    fn explain(&self, inputs: &[Input]) -> Exit {
        let settings = ServerSettings {
            port: port_settings(&self.accept, &self.port),
            site: site_settings(&self.accept),
        };
        let explained: Vec<(&str, Explanation)> = inputs
            .iter()
            .map(|one| {
                let explanation = Explanation::of(&one.client, &settings);
                let shown = if self.keep_secrets {
                    explanation
                } else {
                    explanation.without_secrets(&one.client)
                };
                (one.source.as_str(), shown)
            })
            .collect();
        let text = if self.json {
            let list = explained.iter().map(|(source, explanation)| {
                serde_json::json!({ "source": source, "explanation": json(explanation) })
            });
            format!("{:#}\n", Value::from_iter(list))
        } else {
            let list = explained
                .iter()
                .map(|(source, explanation)| format!("{source}: {}", explanation.to_text(line)));
            list.collect::<Vec<_>>().join("\n")
        };
        if io::stdout().write_all(text.as_bytes()).is_err() {
            return Exit::Failed;
        }
        let any = |is: fn(&Outcome) -> bool| explained.iter().any(|(_, one)| is(&one.verdict));
        if any(|verdict| matches!(verdict, Outcome::Refused { .. })) {
            Exit::Failed
        } else if any(|verdict| matches!(verdict, Outcome::NotUnderstood(_))) {
            Exit::Usage
        } else {
            Exit::Ok
        }
    }
}

/// Formats a remedy as a line of text.
fn line(remedy: &Remedy) -> String {
    match remedy_words::flag(remedy) {
        Some(flag) => format!("accepted with: polysock serve {flag}"),
        None => format!("to fix it: {}", remedy_words::advice(remedy)),
    }
}

fn json(explanation: &Explanation) -> Value {
    let remedy = explanation.remedy.as_ref();
    let flag = remedy.and_then(remedy_words::flag);
    let without_flag = remedy.filter(|_| flag.is_none());
    let mut json = explanation.to_json();
    json.insert(
        "advice".to_owned(),
        without_flag.map(remedy_words::advice).into(),
    );
    json.insert("flag".to_owned(), flag.into());
    json.into()
}

/// Finds the newest transcript of a refused handshake in a directory.
fn newest_refused(directory: &Path) -> Result<PathBuf, String> {
    let shown = directory.display();
    let entries = fs::read_dir(directory).map_err(|error| format!("{shown}: {error}"))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let time = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .ok()?;
            let is_wire = path
                .extension()
                .is_some_and(|extension| extension == "wire");
            is_wire.then_some((time, path))
        })
        .collect();
    files.sort();
    let mut newest = files.into_iter().rev().map(|(_, path)| path);
    newest
        .find(|path| is_refused(path))
        .ok_or_else(|| format!("{shown}: no transcript of a refused handshake"))
}

/// True if a transcript is of a refused handshake. An unreadable file does not count: it may be
/// half written.
fn is_refused(path: &Path) -> bool {
    Fixture::read(path).is_ok_and(|fixture| {
        let mut steps = fixture.transcript.steps.iter();
        steps.any(|step| matches!(step, Step::Refused(refusal) if refusal.status.is_some()))
    })
}
