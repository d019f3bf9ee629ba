//! Plays every fixture of `compat-fixtures` against the library, with every split. Shows that a
//! change of any expectation causes a failure that names the line. `compat-fixtures/README.md`
//! explains the files.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::thread;

use bytes::Bytes;
use polysock::protocols::{Close, CloseCode, PROTOCOLS, Role};
use polysock_instrument::transcript::{
    Content, Fixture, Line, Observation, Part, Refusal, Step, Transcript, expand,
};
use polysock_instrument::{Replay, Split, Verdict};
use polysock_test_support::corpus;

/// All splits except [`Split::EveryPoint`].
const SPLITS: &[Split] = &[
    Split::AsRecorded,
    Split::Whole,
    Split::SingleBytes,
    Split::Random { seed: 1 },
    Split::Random { seed: 2 },
    Split::Random { seed: 3 },
    Split::Random { seed: 4 },
];

#[test]
fn the_corpus_is_answered_as_recorded_in_every_split() {
    for_each_fixture(|fixture| async move {
        for split in SPLITS {
            passes(&fixture, *split).await;
        }
    });
}

#[test]
fn the_corpus_is_answered_as_recorded_cut_at_every_point() {
    for_each_fixture(|fixture| async move { passes(&fixture, Split::EveryPoint).await });
}

/// HAProxy and nginx hold back the eight bytes of a request with two keys until they have seen the
/// head of the answer.
#[test]
fn an_answer_does_not_wait_for_the_eight_bytes() {
    for_each_fixture(|fixture| async move {
        if let Some(held) = with_eight_bytes_held_back(&fixture) {
            for split in SPLITS {
                passes(&held, *split).await;
            }
        }
    });
}

/// A client of a protocol with two keys may send its first frame with the eight bytes.
#[test]
fn a_first_frame_may_come_with_the_eight_bytes() {
    for_each_fixture(|fixture| async move {
        let mut glued = fixture.clone();
        let steps = &mut glued.transcript.steps;
        let scripted = steps.iter().any(|step| matches!(step, Step::Does(_)));
        if scripted || with_eight_bytes_held_back(&fixture).is_none() {
            return;
        }
        steps.retain(|step| *step != Step::Wait);
        passes(&glued, Split::Whole).await;
    });
}

/// One byte of each expected line is changed.
#[test]
fn no_expectation_can_change_without_a_difference_that_names_its_line() {
    for_each_fixture(|fixture| async move {
        for index in 0..fixture.transcript.steps.len() {
            let Some(flipped) = flipped(&fixture, index) else {
                continue;
            };
            let changed = flipped.transcript.steps[index].to_string();
            match Replay::default().against_built_in(&flipped).await {
                Verdict::Failed { differences, .. } => {
                    let named: Vec<_> = differences.iter().map(|one| one.step).collect();
                    assert_eq!(named, [Some(index)], "{}: `{changed}`", fixture.name);
                    let line = fixture.line_of(index);
                    let text = fs::read_to_string(&fixture.name).unwrap();
                    let line = text.lines().nth(line.unwrap() - 1).unwrap();
                    assert_eq!(line, fixture.transcript.steps[index].to_string());
                }
                other => panic!("{}: `{changed}`: {other:?}", fixture.name),
            }
        }
    });
}

/// Every byte is changed, in fixtures that have all kinds of lines.
#[test]
fn no_byte_of_an_expectation_can_change_without_a_difference() {
    const SOME: &[&str] = &[
        "hixie-75/client-text.wire",
        "hixie-76/spec.wire",
        "hybi-02/session-fragmented.wire",
        "hybi-05/session-text.wire",
        "rfc6455/bad-two-hosts.wire",
        "rfc6455/session-close-server.wire",
        "rfc6455/ws-0.4-capture.wire",
    ];
    for_each_fixture(|fixture| async move {
        if !SOME.iter().any(|name| fixture.name.ends_with(name)) {
            return;
        }
        let mut count = 0;
        for index in 0..fixture.transcript.steps.len() {
            for at in 0.. {
                let mut flipped = fixture.clone();
                if flip_at(&mut flipped.transcript, index, at).is_none() {
                    break;
                }
                count += 1;
                let changed = flipped.transcript.steps[index].to_string();
                match Replay::default().against_built_in(&flipped).await {
                    Verdict::Failed { differences, .. } => {
                        let named: Vec<_> = differences.iter().map(|one| one.step).collect();
                        assert_eq!(named, [Some(index)], "{}: `{changed}`", fixture.name);
                    }
                    other => panic!("{}: `{changed}`: {other:?}", fixture.name),
                }
            }
        }
        assert!(count > 50, "{}: {count} bytes", fixture.name);
    });
}

#[test]
fn every_fixture_has_the_canonical_form() {
    for fixture in corpus() {
        let text = fs::read_to_string(&fixture.name).unwrap();
        let written = fixture.transcript.to_string();
        assert_eq!(text, written, "{}", fixture.name);
    }
}

#[test]
fn the_corpus_covers_every_protocol_in_both_directions() {
    let corpus = corpus();
    assert!(corpus.len() >= 150, "{} fixtures", corpus.len());
    for protocol in PROTOCOLS {
        for role in [Role::Server, Role::Client] {
            let found = corpus.iter().any(|fixture| {
                let transcript = &fixture.transcript;
                let opens = |step: &Step| matches!(step, Step::Sees(Observation::Open { .. }));
                transcript.role() == role
                    && transcript.header("protocol") == Some(protocol.name())
                    && transcript.steps.iter().any(opens)
            });
            assert!(found, "{} with {role:?}", protocol.name());
        }
    }
}

#[test]
fn no_two_fixtures_send_the_same_bytes() {
    let mut seen = BTreeSet::new();
    for fixture in corpus() {
        let transcript = &fixture.transcript;
        let sent = transcript.steps.iter().filter_map(|step| match step {
            Step::Client(line) if line.content != Content::End => {
                Some(format!("{:?}", expand(line.parts())))
            }
            Step::Server(_) if transcript.role() == Role::Client => Some(step.to_string()),
            Step::Client(_) | Step::Wait | Step::Does(_) => Some(step.to_string()),
            _ => None,
        });
        let circumstances = ["needs", "only", "app", "role"].map(|name| transcript.header(name));
        let sent: Vec<String> = sent.collect();
        assert!(
            seen.insert(format!("{circumstances:?} {sent:?}")),
            "{} is there twice",
            fixture.name
        );
    }
}

#[track_caller]
fn assert_passed(verdict: &Verdict, fixture: &Fixture, split: Split) {
    if let Verdict::Failed { point, differences } = verdict {
        let differences: Vec<String> = differences
            .iter()
            .map(|one| {
                format!(
                    "line {:?}, {}\n{one}",
                    one.step.and_then(|step| fixture.line_of(step)),
                    one.place
                )
            })
            .collect();
        let differences = differences.join("\n");
        panic!(
            "{}, split {split}, point {point:?}: {differences}",
            fixture.name
        );
    }
    assert_eq!(*verdict, Verdict::Passed, "{}", fixture.name);
}

async fn passes(fixture: &Fixture, split: Split) {
    let player = Replay {
        split,
        ..Replay::default()
    };
    let verdict = player.against_built_in(fixture).await;
    assert_passed(&verdict, fixture, split);
}

/// Returns the fixture with its eight bytes sent only after the head of the answer. `None` unless
/// the request has eight bytes after its head and is accepted with a digest.
fn with_eight_bytes_held_back(fixture: &Fixture) -> Option<Fixture> {
    let transcript = &fixture.transcript;
    let steps = &transcript.steps;
    let has_key = |step: &Step| match step {
        Step::Client(line) => expand(line.parts()).starts_with(b"Sec-WebSocket-Key1:"),
        _ => false,
    };
    let ends_head = |wanted: fn(&Step) -> Option<&Line>| {
        let blank = |step: &Step| {
            wanted(step).is_some_and(|line| matches!(&expand(line.parts())[..], b"\r\n" | b"\n"))
        };
        steps.iter().position(blank)
    };
    let client = ends_head(|step| match step {
        Step::Client(line) => Some(line),
        _ => None,
    })?;
    let server = ends_head(|step| match step {
        Step::Server(line) => Some(line),
        _ => None,
    })?;
    let accepted = steps
        .iter()
        .any(|step| matches!(step, Step::Sees(Observation::Open { .. })));
    let body = client + 1..=client + 1;
    let is_body = matches!(steps.get(client + 1), Some(Step::Client(_)));
    if transcript.role() != Role::Server
        || !accepted
        || !is_body
        || !steps.iter().any(has_key)
        || server < client
    {
        return None;
    }
    let mut held = steps.clone();
    let body: Vec<Step> = held.splice(body, []).collect();
    // The removed step was before the blank line, whose index is one lower now.
    held.splice(server..server, [&[Step::Wait], &body[..]].concat());
    let transcript = Transcript {
        steps: held,
        ..transcript.clone()
    };
    Some(Fixture::new(fixture.name.clone(), transcript))
}

/// Returns the fixture with one bit of an expected step flipped. `None` if the step is no
/// expectation, or has no bytes.
fn flipped(fixture: &Fixture, index: usize) -> Option<Fixture> {
    let mut flipped = fixture.clone();
    let role = fixture.transcript.role();
    let step = &mut flipped.transcript.steps[index];
    match (step, role) {
        (Step::Server(line), Role::Server) | (Step::Client(line), Role::Client) => {
            let Content::Bytes(parts) = &mut line.content else {
                return None;
            };
            flip(parts)?;
        }
        (Step::Sees(Observation::Text(parts) | Observation::Binary(parts)), _) => flip(parts)?,
        (Step::Sees(Observation::Open { target, .. }), _) => target.push('x'),
        (Step::Sees(Observation::Close(close) | Observation::Closed(close)), _) => {
            let code = close.as_ref().map_or(1000, |close| close.code.get() ^ 1);
            *close = Some(Close::from(CloseCode::new(code).unwrap()));
        }
        (Step::Refused(refusal), _) => refusal.rule.push('x'),
        _ => return None,
    }
    Some(flipped)
}

/// Flips the lowest bit of the middle byte of the last part that has its own bytes: a letter stays
/// a letter.
fn flip(parts: &mut [Part]) -> Option<()> {
    for part in parts.iter_mut().rev() {
        if let Part::Bytes(bytes) | Part::Repeat { unit: bytes, .. } = part {
            let mut flipped = bytes.to_vec();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 1;
            *bytes = Bytes::from(flipped);
            return Some(());
        }
    }
    None
}

/// Flips the lowest bit of the byte at this position of an expected step. `None` after the last
/// byte.
fn flip_at(transcript: &mut Transcript, index: usize, at: usize) -> Option<()> {
    let role = transcript.role();
    let step = &mut transcript.steps[index];
    if step.sent_by(role).is_none() && !matches!(step, Step::Sees(_) | Step::Refused(_)) {
        return None;
    }
    let parts = match step {
        Step::Server(Line { content, .. }) | Step::Client(Line { content, .. }) => match content {
            Content::Bytes(parts) => parts,
            Content::End => return None,
        },
        Step::Sees(Observation::Text(parts) | Observation::Binary(parts)) => parts,
        Step::Sees(Observation::Open { target: text, .. })
        | Step::Refused(Refusal { rule: text, .. }) => {
            let mut bytes = std::mem::take(text).into_bytes();
            *bytes.get_mut(at)? ^= 1;
            *text = String::from_utf8(bytes).ok()?;
            return Some(());
        }
        _ => return None,
    };
    let bytes = expand(parts);
    let is_fixed = parts.iter().all(|part| !part.is_wildcard());
    let mut bytes = bytes.to_vec();
    *bytes.get_mut(at).filter(|_| is_fixed)? ^= 1;
    *parts = vec![Part::Bytes(bytes.into())];
    Some(())
}

/// Calls `run` for each fixture, in as many threads as there are cores.
fn for_each_fixture<F: Future<Output = ()>>(run: impl Fn(Fixture) -> F + Sync) {
    let corpus = corpus();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for first in 0..threads {
            let mine = corpus.iter().skip(first).step_by(threads);
            let run = &run;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                for fixture in mine {
                    runtime.block_on(run(fixture.clone()));
                }
            });
        }
    });
}

/// Returns all fixtures, by name.
fn corpus() -> Vec<Fixture> {
    let files = corpus::files();
    let read = files.iter().map(|file| Fixture::read(file));
    read.map(|read| read.unwrap_or_else(|error| panic!("{error}")))
        .collect()
}
