//! A test in a process of its own, for what is counted or bounded by the process.

use std::env;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::Process;

/// Is set in the process of its own.
const ALONE: &str = "POLYSOCK_TEST_ALONE";

/// How long the whole of such a test may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs a test of this name, which begins with its module, in a process that runs no other.
#[track_caller]
pub fn alone(name: &str, test: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return test();
    }
    let tests = env::current_exe().expect("the tests are a file");
    let mut command = Command::new(tests);
    command
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1")
        .stdin(Stdio::null());
    let end = Process::start(&mut command).end(LIMIT);
    let passed = end.status.is_some_and(|status| status.success());
    // None would pass as well where no test has the name.
    let ran = end.output.contains("test result: ok. 1 passed");
    assert!(passed && ran, "{name}, {:?}:\n{}", end.status, end.output);
}
