//! The PID file.

use std::fs;
use std::path::Path;

use tracing::warn;

/// Writes the process ID, for tools that send signals.
pub(super) fn write(file: &Path) {
    if let Err(error) = fs::write(file, format!("{}\n", std::process::id())) {
        warn!(
            "{}: the process ID cannot be written: {error}",
            file.display()
        );
    }
}

/// Removes the file, unless it has another process's ID by now.
pub(super) fn remove(file: &Path) {
    let text = fs::read_to_string(file).unwrap_or_default();
    if text.trim() == std::process::id().to_string() {
        // An error is ignored: the file may have been removed already.
        let _ = fs::remove_file(file);
    }
}
