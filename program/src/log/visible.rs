//! Characters that show what they are.

/// Whether a byte stands for itself wherever it is shown.
pub(super) fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Whether a character shows itself, and changes nothing else: not the order of the text around it
/// (U+202E), not the screen, not the line.
pub(super) fn is_visible(character: char) -> bool {
    if character.is_ascii() {
        !character.is_ascii_control()
    } else {
        character.escape_debug().len() == 1
    }
}

/// A text of somebody else's, with escapes for what does not show itself.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_visible(&mut shown, text);
    shown
}

/// Appends the same.
pub(super) fn push_visible(shown: &mut String, text: &str) {
    for character in text.chars() {
        if is_visible(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
}
