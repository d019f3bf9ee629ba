//! Two sessions in memory. Each receives the other's messages complete and in order, unless it has
//! closed. The steps are those of the fuzz target `pair`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test may panic, and reads the seeds of the fuzz target"
)]

#[allow(
    unreachable_pub,
    reason = "the fuzz targets have it from another crate"
)]
#[path = "../fuzz/src/pair.rs"]
mod pair;
mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use pair::Pair;
use polysock_protocols::{Compression, PROTOCOLS, Session, SessionConfig};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{Joined, Setup};

fn run(number: usize, compression: Option<Compression>, steps: &[u8]) {
    let mut setup = Setup::default();
    (setup.server.compression, setup.client.compression) = (compression, compression);
    let protocol = PROTOCOLS[number % PROTOCOLS.len()];
    let Joined { server, client, .. } = Joined::with(protocol.name(), &setup);
    let config = SessionConfig {
        idle_timeout: Some(Duration::from_secs(60)),
        ping_interval: Some(Duration::from_secs(20)),
        ..SessionConfig::default()
    };
    Pair::new(Session::new(server, config), Session::new(client, config)).run(steps);
}

/// Generates a step that sends, one that carries, or sometimes another.
fn step() -> impl Strategy<Value = Vec<u8>> {
    let what = prop_oneof![
        4 => 0_u8..4,
        4 => 4_u8..8,
        1 => 8_u8..16,
    ];
    (what, vec(any::<u8>(), 0..40), any::<u8>()).prop_map(|(what, bytes, len)| match what {
        4..8 => vec![what, len],
        _ => {
            let len = u8::try_from(bytes.len()).unwrap();
            [&[what, len][..], &bytes].concat()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_session_of_a_pair_receives_what_the_other_sends(
        number in any::<usize>(),
        is_compressed in any::<bool>(),
        steps in vec(step(), 0..40),
    ) {
        let compression = is_compressed.then(Compression::default);
        run(number, compression, &steps.concat());
    }
}

#[test]
fn the_seeds_of_the_fuzz_target_pass() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/pair");
    let mut count = 0;
    for seed in fs::read_dir(seeds).unwrap() {
        let bytes = fs::read(seed.unwrap().path()).unwrap();
        let (first, steps) = bytes.split_first().unwrap();
        let compression = (first & 0x20 != 0).then(Compression::default);
        run(usize::from(first & 0x1f), compression, steps);
        count += 1;
    }
    assert!(count > 0);
}
