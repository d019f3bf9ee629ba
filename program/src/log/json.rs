//! Lines of JSON on their way to the log.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::visible::{is_plain, is_visible};

/// Writes the lines of JSON that it is given to a log, with escapes for characters that do not show
/// themselves: whoever reads JSON gets them as they were, and whoever reads the file sees them.
pub(super) struct Json<W>(pub(super) W);

impl<W: Write> Write for Json<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.iter().all(|byte| is_plain(*byte) || *byte == b'\n') {
            return self.0.write(line);
        }
        let mut shown = String::with_capacity(line.len());
        for character in String::from_utf8_lossy(line).chars() {
            if is_visible(character) || character == '\n' {
                shown.push(character);
                continue;
            }
            // RFC 8259 §7: a character is one escape or a pair of them.
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
        self.0.write_all(shown.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn escapes_what_does_not_show_itself_and_nothing_else() {
        let text = "gr\u{fc}\u{df}e \u{202e}\u{2066}\u{200b}\u{feff}\u{7f}\u{9b}\u{2028}\u{e0041} \u{1f600}";
        let value = json!({ "message": text });
        let mut line = Vec::new();
        writeln!(Json(&mut line), "{value}").unwrap();
        let line = String::from_utf8(line).unwrap();
        assert_eq!(
            line,
            "{\"message\":\"gr\u{fc}\u{df}e \\u202e\\u2066\\u200b\\ufeff\\u007f\\u009b\\u2028\\udb40\\udc41 \
             \u{1f600}\"}\n"
        );
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
