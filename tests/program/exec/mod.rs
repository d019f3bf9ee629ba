//! Processes as upstreams.

mod ends;
mod environment;
mod messages;
mod shared;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use polysock_test_support::PATIENCE;

/// Writes an executable file with this text.
fn script(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A process of this machine.
#[derive(Debug)]
#[expect(dead_code, reason = "it is shown when it should not be there")]
struct Found {
    id: u32,
    name: String,
    state: String,
}

/// Returns the processes whose environment has this variable, and the children of this process,
/// including zombies.
fn processes(variable: &str, parent: u32) -> Vec<Found> {
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|id: u32| {
            // A process that ends meanwhile is skipped.
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
            let mut rest = rest.split(' ');
            let (state, its_parent) = (rest.next()?, rest.next()?);
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            let is_ours = its_parent == parent.to_string()
                || variables.any(|found| found == variable.as_bytes());
            is_ours.then(|| Found {
                id,
                name: name.to_owned(),
                state: state.to_owned(),
            })
        })
        .collect()
}

/// Waits until the number of these processes is `count`.
#[track_caller]
fn wait_for_processes(variable: &str, parent: u32, count: usize) {
    let end = Instant::now() + PATIENCE;
    loop {
        let left = processes(variable, parent);
        if left.len() == count {
            return;
        }
        assert!(Instant::now() < end, "not {count}, but {left:?}");
        // No event reports the end of other processes' children.
        std::thread::sleep(Duration::from_millis(20));
    }
}
