//! Limits on the number and the size of captures.

use std::fs;

use polysock_test_support::frame::{close, frame};
use polysock_test_support::opening::RFC6455;
use polysock_test_support::program::Input;

use super::{Capture, note, said};
use crate::POLYSOCK;

#[test]
fn a_transcript_over_the_maximum_size_is_cut_with_a_note() {
    let mut capture = Capture::start("cut", &["--max-size", "64KiB"]);
    let (mut client, _) = capture.server.ask(RFC6455);
    let message = "x".repeat(20_000);
    for _ in 0..5 {
        client.send(frame(0x81, &message));
        client.take(20_004);
    }
    client.send(close(1000));
    client.rest();
    drop(client);
    capture.stop();
    let transcript = capture.only();
    assert!(
        note(&transcript).contains("the bytes after the first"),
        "{}",
        note(&transcript)
    );
    let len = said(&transcript, true).len() + said(&transcript, false).len();
    assert!((40_000..=64 << 10).contains(&len), "{len} bytes");
    let text = fs::metadata(capture.directory.join(&capture.names()[0])).unwrap();
    assert!(text.len() < 200_000, "{} bytes", text.len());
    capture.replays();
}

#[test]
fn invalid_bounds_are_refused() {
    for (flags, words) in [
        (&["--max-size", "1KiB"][..], "64KiB to 2MiB"),
        (&["--max-size", "1GiB"], "64KiB to 2MiB"),
        (&["--pass-through", "nowhere"], "HOST:PORT"),
        (
            &["--pass-through", "a:1", "tcp://b:1"],
            "cannot be used with",
        ),
    ] {
        let arguments = [&["capture", "--out", "nowhere"], flags].concat();
        let run = POLYSOCK.run(&arguments, Input::Open);
        assert_eq!(run.code, Some(2), "{flags:?}");
        assert!(run.stderr.contains(words), "{flags:?}: {}", run.stderr);
    }
}

#[test]
fn a_full_directory_gets_no_more_files_and_clients_are_still_served() {
    let mut capture = Capture::start("full", &["--max-fixtures", "3"]);
    let session = |capture: &Capture| {
        let (mut client, _) = capture.server.ask(RFC6455);
        client.send(close(1000));
        client.rest();
    };
    (0..2).for_each(|_| session(&capture));
    capture.stop();
    assert_eq!(capture.names().len(), 2);
    // Existing files count, including those of earlier captures.
    let directory = capture.directory.clone();
    let mut capture = Capture::start_in(directory, &["--max-fixtures", "3"]);
    (0..4).for_each(|_| session(&capture));
    let log = capture.stop();
    assert_eq!(capture.names().len(), 3);
    assert_eq!(log.matches("served but not captured").count(), 1, "{log}");
    capture.replays();
}
