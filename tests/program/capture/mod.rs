//! `polysock capture`: records sessions unchanged, so that they replay.

mod bounds;
mod ends;
mod pass_through;
mod secrets;
mod sessions;

use std::fs;
use std::path::PathBuf;

use polysock_instrument::transcript::{Fixture, Step, Transcript, expand};
use polysock_test_support::program::Input;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// A running capture.
struct Capture {
    server: Server,
    directory: PathBuf,
}

impl Capture {
    /// Starts a capture that writes to a new directory of this name.
    fn start(test: &str, flags: &[&str]) -> Self {
        let directory = POLYSOCK.directory(&format!("capture/{test}"));
        Self::start_in(directory, flags)
    }

    fn start_in(directory: PathBuf, flags: &[&str]) -> Self {
        let server = POLYSOCK.capture(&directory, flags);
        Self { server, directory }
    }

    /// Stops the capture with SIGTERM, and returns its log.
    fn stop(&mut self) -> String {
        self.server.stop()
    }

    /// Returns the names of the files in the directory, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Reads all fixtures in the directory, and asserts that each is in the canonical format.
    fn fixtures(&self) -> Vec<Fixture> {
        let paths = self
            .names()
            .into_iter()
            .map(|name| self.directory.join(name));
        let fixtures = paths.map(|path| {
            let fixture = Fixture::read(&path).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, fixture.transcript.to_string(), "{}", path.display());
            fixture
        });
        fixtures.collect()
    }

    /// Returns the only session in the directory.
    fn only(&self) -> Transcript {
        let mut fixtures = self.fixtures();
        assert_eq!(fixtures.len(), 1, "{:?}", self.names());
        fixtures.remove(0).transcript
    }

    /// Asserts that all sessions in the directory replay in each split: as recorded, whole, byte by
    /// byte, and at random.
    #[track_caller]
    fn replays(&self) {
        self.replays_cut(&["as-recorded", "whole", "1", "random:5"]);
    }

    #[track_caller]
    fn replays_cut(&self, splits: &[&str]) {
        let count = self.names().len();
        for split in splits {
            let directory = self.directory.to_str().unwrap();
            let run = POLYSOCK.run(&["replay", directory, "--split", split], Input::Open);
            let all = format!("{count} as recorded, 0 different, 0 skipped\n");
            assert!(
                run.text().ends_with(&all),
                "{split}: {}{}",
                run.text(),
                run.stderr
            );
        }
    }
}

fn note(transcript: &Transcript) -> &str {
    transcript.header("note").unwrap_or_default()
}

/// Returns the bytes that one side sends in a transcript.
fn said(transcript: &Transcript, by_client: bool) -> Vec<u8> {
    let lines = transcript.steps.iter().filter_map(|step| match step {
        Step::Client(line) if by_client => Some(line),
        Step::Server(line) if !by_client => Some(line),
        _ => None,
    });
    lines.flat_map(|line| expand(line.parts())).collect()
}
