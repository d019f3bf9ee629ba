//! Headers of imported transcripts.

use crate::transcript::Header;

/// Creates a header with its value on one line.
pub(super) fn header(name: &str, value: impl Into<String>) -> Header {
    let value: String = value.into();
    let words: Vec<&str> = value.split_whitespace().collect();
    Header {
        name: name.to_owned(),
        value: words.join(" "),
    }
}
