//! `polysock replay`.

mod report;

use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, io, thread};

use clap::{Args, ValueEnum};
use polysock_instrument::transcript::Fixture;
use polysock_instrument::{Replay as Player, Split, Verdict, rerecord};
use tokio::runtime::Builder;

use self::report::Result as Played;
use crate::exit::Exit;
use crate::flags::values;

/// Play recorded sessions, and compare the answers byte by byte
///
/// Plays against Polysock itself, in this process, or against any server. Exit codes: 0 all as
/// recorded, 1 some differ, 2 wrong usage.
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// Fixtures (.wire), or directories of fixtures
    #[arg(value_name = "FIXTURE|DIR", required = true)]
    paths: Vec<PathBuf>,

    /// Server to play against. Header fields with no part in the opening handshake and the text of
    /// a refusal may differ, and are not compared
    #[arg(long, value_name = "HOST:PORT", value_parser = values::server, conflicts_with = "update")]
    to: Option<String>,

    /// Split of the sent bytes into segments: as-recorded, whole, 1 (each byte alone), random:SEED,
    /// or every-point (one play for each point at which the bytes can be cut in two)
    #[arg(long, value_name = "HOW", value_parser = split, default_value = "as-recorded")]
    split: Split,

    /// Make the recorded pauses
    #[arg(long)]
    timing: bool,

    /// Time limit for expected bytes to arrive
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "5s")]
    timeout: Duration,

    /// Number of sessions to play at a time [default: the number of cores]
    #[arg(long, value_name = "COUNT")]
    jobs: Option<NonZeroUsize>,

    /// Format of the report
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,

    /// Write the differences into the fixtures, for review, and rewrite all fixtures in the
    /// canonical form
    #[arg(long)]
    update: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
}

/// Parses `random:17` and the other ways to split.
fn split(text: &str) -> Result<Split, String> {
    let seed = text.strip_prefix("random:").map(str::parse);
    match (text, seed) {
        ("as-recorded", _) => Ok(Split::AsRecorded),
        ("whole", _) => Ok(Split::Whole),
        ("1", _) => Ok(Split::SingleBytes),
        ("every-point", _) => Ok(Split::EveryPoint),
        (_, Some(Ok(seed))) => Ok(Split::Random { seed }),
        _ => Err("write as-recorded, whole, 1, random:SEED (a number) or every-point".into()),
    }
}

impl Replay {
    pub(crate) fn run(self) -> Exit {
        let fixtures = match self.fixtures() {
            Ok(fixtures) => fixtures,
            Err(problem) => return Exit::Usage.with(problem),
        };
        let played = match self.play(&fixtures) {
            Ok(played) => played,
            Err(problem) => return Exit::Failed.with(problem),
        };
        let report = match self.format {
            Format::Text => report::text(&played),
            Format::Json => report::json(&played),
            Format::Junit => report::junit(&played),
        };
        let written = io::stdout().write_all(report.as_bytes());
        let all = played
            .iter()
            .all(|played| !matches!(played.verdict, Verdict::Failed { .. }));
        if all && written.is_ok() {
            Exit::Ok
        } else {
            Exit::Failed
        }
    }

    /// The fixtures to play, in the order of the arguments. Those of a directory are sorted by
    /// name.
    fn fixtures(&self) -> Result<Vec<Fixture>, String> {
        let mut files = Vec::new();
        for path in &self.paths {
            let before = files.len();
            collect(path, &mut files).map_err(|error| format!("{}: {error}", path.display()))?;
            if files.len() == before {
                return Err(format!("{}: no .wire file found", path.display()));
            }
        }
        let read = files.iter().map(|file| Fixture::read(file));
        read.collect::<Result<_, _>>()
            .map_err(|error| error.to_string())
    }

    fn play(&self, fixtures: &[Fixture]) -> io::Result<Vec<Played>> {
        let jobs = self.jobs.or(thread::available_parallelism().ok());
        let jobs = jobs.map_or(1, NonZeroUsize::get).min(fixtures.len());
        let next = AtomicUsize::new(0);
        let (sender, finished) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..jobs {
                let (sender, next) = (sender.clone(), &next);
                let runtime = Builder::new_current_thread().enable_all().build()?;
                scope.spawn(move || {
                    while let Some((index, fixture)) = take(next, fixtures) {
                        let played = runtime.block_on(self.play_one(fixture));
                        // The receiver outlives all senders.
                        let _ = sender.send((index, played));
                    }
                });
            }
            drop(sender);
            let mut played = Vec::new();
            let is_terminal = io::stderr().is_terminal();
            for one in finished {
                played.push(one);
                if is_terminal {
                    eprint!("\r{} of {} played", played.len(), fixtures.len());
                }
            }
            if is_terminal {
                eprint!("\r\x1b[K");
            }
            played.sort_by_key(|(index, _)| *index);
            Ok(played.into_iter().map(|(_, played)| played).collect())
        })
    }

    async fn play_one(&self, fixture: &Fixture) -> Played {
        let player = Player {
            split: self.split,
            timing: self.timing,
            patience: self.timeout,
        };
        let verdict = match &self.to {
            Some(address) => player.against(fixture, address).await,
            None => player.against_built_in(fixture).await,
        };
        let updated = if self.update {
            update(fixture, &verdict).await.transpose()
        } else {
            None
        };
        Played::new(fixture, self.split, verdict, updated)
    }
}

fn take<'a>(next: &AtomicUsize, fixtures: &'a [Fixture]) -> Option<(usize, &'a Fixture)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, fixtures.get(index)?))
}

/// Collects every fixture at a path or below it.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        let is_fixture = entry
            .extension()
            .is_some_and(|extension| extension == "wire");
        if is_fixture || entry.is_dir() {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

/// Writes a fixture to its file in the canonical form, with the output of the replay if that
/// differs. Returns `None` if the file is already the same.
async fn update(fixture: &Fixture, verdict: &Verdict) -> Result<Option<()>, String> {
    let transcript = match verdict {
        Verdict::Failed { .. } => {
            let recorded = rerecord(&fixture.transcript).await;
            recorded.map_err(|problem| format!("the new recording lacks {problem}"))?
        }
        Verdict::Passed | Verdict::Skipped(_) => fixture.transcript.clone(),
    };
    let text = transcript.to_string();
    let before = fs::read_to_string(&fixture.name).map_err(|error| error.to_string())?;
    if text == before {
        return Ok(None);
    }
    let written = fs::write(&fixture.name, text);
    written.map(Some).map_err(|error| error.to_string())
}
