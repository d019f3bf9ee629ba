//! Headers of what is imported.

use crate::transcript::Header;

/// A header, with its value in one line.
pub(super) fn header(name: &str, value: impl Into<String>) -> Header {
    let value: String = value.into();
    let words: Vec<&str> = value.split_whitespace().collect();
    Header {
        name: name.to_owned(),
        value: words.join(" "),
    }
}
