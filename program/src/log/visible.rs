//! The distinction between visible and invisible characters.

/// True if a byte is printable ASCII.
pub(super) fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// True if a character is visible and has no effect on the order of the text (U+202E), the screen
/// or the line.
pub(super) fn is_visible(character: char) -> bool {
    if character.is_ascii() {
        !character.is_ascii_control()
    } else {
        character.escape_debug().len() == 1
    }
}

/// Escapes the invisible characters of an untrusted text.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_visible(&mut shown, text);
    shown
}

/// Appends a text with its invisible characters escaped.
pub(super) fn push_visible(shown: &mut String, text: &str) {
    for character in text.chars() {
        if is_visible(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
}
