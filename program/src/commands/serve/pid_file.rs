//! The file with the number of the process.

use std::fs;
use std::path::Path;

use tracing::warn;

/// Notes the number of the process, for who wants to send it a signal.
pub(super) fn write(file: &Path) {
    if let Err(error) = fs::write(file, format!("{}\n", std::process::id())) {
        warn!(
            "{}: the number of the process cannot be written: {error}",
            file.display()
        );
    }
}

/// Removes that, unless it is another's by now.
pub(super) fn remove(file: &Path) {
    let text = fs::read_to_string(file).unwrap_or_default();
    if text.trim() == std::process::id().to_string() {
        // Who has removed it already wanted the same.
        let _ = fs::remove_file(file);
    }
}
