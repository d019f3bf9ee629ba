//! Input: a transcript.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polysock_instrument::transcript::{Fixture, LIMIT, Step, expanded_len};

fuzz_target!(|text: &str| {
    let Ok(read) = Fixture::parse("fuzz.wire", text) else {
        return;
    };
    let steps = &read.transcript.steps;
    let lines = steps.iter().filter_map(|step| match step {
        Step::Client(line) | Step::Server(line) => Some(line),
        _ => None,
    });
    let len: u64 = lines.map(|line| expanded_len(line.parts())).sum();
    assert!(len <= LIMIT);
    for index in 0..steps.len() {
        let line = read.line_of(index).expect("it was read from one");
        assert!(text.lines().nth(line - 1).is_some_and(|line| !line.is_empty()));
    }
    let written = read.transcript.to_string();
    let again = match Fixture::parse("written.wire", &written) {
        Ok(again) => again,
        Err(error) => panic!("{error}\n{written}"),
    };
    assert_eq!(again.transcript, read.transcript);
    assert_eq!(again.transcript.to_string(), written);
});
