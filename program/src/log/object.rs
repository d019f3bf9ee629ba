//! A writer of JSON objects.

use std::fmt::{self, Debug, Write as _};

use super::visible::{is_plain, is_visible};

/// A JSON object that is being written. A name is the concatenation of two parts, of which the
/// first may be empty.
///
/// Invisible characters are escaped: JSON parsers get them unchanged, and readers of the file see
/// them.
pub(super) struct Object<'a> {
    text: &'a mut String,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object after the existing text.
    pub(super) fn begin(text: &'a mut String) -> Self {
        text.push('{');
        Self {
            text,
            is_empty: true,
        }
    }

    /// Adds a string.
    pub(super) fn text(&mut self, name: (&str, &str), value: &str) {
        self.name(name);
        self.text.push('"');
        push_escaped(self.text, value);
        self.text.push('"');
    }

    /// Adds a string that `write` writes, without escaping.
    pub(super) fn written(&mut self, name: (&str, &str), write: impl FnOnce(&mut String)) {
        self.name(name);
        self.text.push('"');
        write(self.text);
        self.text.push('"');
    }

    /// Adds the debug output of a value as a string.
    pub(super) fn shown(&mut self, name: (&str, &str), value: &dyn Debug) {
        // A value whose formatting fails leaves an empty string.
        self.written(name, |text| {
            let _ = write!(Escaped(text), "{value:?}");
        });
    }

    /// Adds an unsigned number.
    pub(super) fn unsigned(&mut self, name: (&str, &str), value: u64) {
        self.raw(name, itoa::Buffer::new().format(value));
    }

    /// Adds a signed number.
    pub(super) fn signed(&mut self, name: (&str, &str), value: i64) {
        self.raw(name, itoa::Buffer::new().format(value));
    }

    /// Adds a floating-point number; `null` if it is not finite (RFC 8259 §6).
    pub(super) fn fraction(&mut self, name: (&str, &str), value: f64) {
        match value.is_finite() {
            true => self.raw(name, zmij::Buffer::new().format(value)),
            false => self.raw(name, "null"),
        }
    }

    /// Adds a boolean.
    pub(super) fn truth(&mut self, name: (&str, &str), value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// Adds a value that is JSON already.
    pub(super) fn raw(&mut self, name: (&str, &str), value: &str) {
        self.name(name);
        self.text.push_str(value);
    }

    /// Ends the object.
    pub(super) fn end(self) {
        self.text.push('}');
    }

    fn name(&mut self, (first, second): (&str, &str)) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.text.push(',');
        }
        self.text.push('"');
        push_escaped(self.text, first);
        push_escaped(self.text, second);
        self.text.push_str("\":");
    }
}

/// Escapes the characters that RFC 8259 §7 requires, and invisible ones.
fn push_escaped(text: &mut String, value: &str) {
    let needs_no_escape = |byte: u8| is_plain(byte) && !matches!(byte, b'"' | b'\\');
    if value.bytes().all(needs_no_escape) {
        text.push_str(value);
        return;
    }
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            character if is_visible(character) => text.push(character),
            character => {
                // A character takes one escape, or a surrogate pair of two.
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
}

struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn escapes_only_invisible_and_special_characters() {
        for (value, expected) in [
            ("plain", "plain"),
            ("gr\u{fc}\u{df}e \u{1f600}", "gr\u{fc}\u{df}e \u{1f600}"),
            ("a\"b\\c\nd\re\tf", r#"a\"b\\c\nd\re\tf"#),
            ("\0\u{1b}\u{7f}\u{9b}", r"\u0000\u001b\u007f\u009b"),
            (
                "\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}",
                r"\u202e\u2066\u200b\ufeff\u2028\udb40\udc41",
            ),
        ] {
            let mut line = String::new();
            let mut object = Object::begin(&mut line);
            object.text(("", "a"), value);
            object.shown(("b.", "c"), &format_args!("{value}"));
            object.end();
            assert_eq!(line, format!(r#"{{"a":"{expected}","b.c":"{expected}"}}"#));
            let read: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read, json!({ "a": value, "b.c": value }));
        }
    }

    #[test]
    fn numbers_are_json() {
        let mut line = String::new();
        let mut object = Object::begin(&mut line);
        object.unsigned(("", "a"), u64::MAX);
        object.signed(("", "b"), -1);
        object.fraction(("", "c"), 0.003);
        object.fraction(("", "d"), f64::NAN);
        object.truth(("", "e"), true);
        object.end();
        let expected = r#"{"a":18446744073709551615,"b":-1,"c":0.003,"d":null,"e":true}"#;
        assert_eq!(line, expected);
    }
}
