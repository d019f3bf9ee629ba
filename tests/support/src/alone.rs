//! A runner for tests that need a process of their own, because the process counts or bounds what
//! they test.

use std::env;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::Process;

/// The environment variable that marks the separate process.
const ALONE: &str = "POLYSOCK_TEST_ALONE";

/// The time limit of such a test.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs a test in a process that runs no other. The name of the test begins with its module.
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
    // A name that matches no test would also make the process succeed.
    let ran = end.output.contains("test result: ok. 1 passed");
    assert!(passed && ran, "{name}, {:?}:\n{}", end.status, end.output);
}
