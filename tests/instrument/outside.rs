//! The crates as used from outside: `examples/library` is not a member of this workspace.

use std::env;
use std::path::Path;
use std::process::Command;

/// An upstream in the process, an application that relays, and a session that is captured and
/// replayed, all by the public API alone.
#[test]
fn an_external_crate_relays_captures_and_replays() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let run = Command::new(env!("CARGO"))
        .args(["run", "--locked", "--quiet", "--manifest-path"])
        .arg(root.join("examples/library/Cargo.toml"))
        .arg("--target-dir")
        .arg(root.join("target/library"))
        .output()
        .expect("cargo is there");
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{errors}");
    assert_eq!(
        String::from_utf8_lossy(&run.stdout),
        "hybi-10: Passed\n",
        "{errors}"
    );
}
