//! Records the build environment for `polysock_build_info`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=POLYSOCK_REVISION");
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = said(Command::new(rustc).arg("--version"));
    let number = version.as_deref().and_then(|text| text.split(' ').nth(1));
    println!(
        "cargo::rustc-env=POLYSOCK_RUSTC={}",
        number.unwrap_or("unknown")
    );
}

/// The first line of a command's output; `None` if the command fails.
fn said(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}
