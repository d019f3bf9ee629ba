//! A parser for field values: elements, and their parameters.

/// Splits a value at separators, except inside quotes or brackets that a character of `quotes`
/// opens.
pub(super) fn split<'a>(value: &'a str, separator: char, quotes: &[char]) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut begin, mut until, mut is_escaped) = (0, None, false);
    for (at, letter) in value.char_indices() {
        match until {
            Some(_) if is_escaped => is_escaped = false,
            Some('"') if letter == '\\' => is_escaped = true,
            Some(end) if letter == end => until = None,
            Some(_) => {}
            None if letter == separator => {
                parts.extend(value.get(begin..at));
                begin = at + letter.len_utf8();
            }
            None if quotes.contains(&letter) => {
                until = Some(if letter == '<' { '>' } else { letter });
            }
            None => {}
        }
    }
    parts.extend(value.get(begin..));
    parts.into_iter().map(str::trim).collect()
}

/// Reads the name and the value of a parameter.
pub(super) fn parameter(text: &str) -> (&str, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.trim(), unquoted(value.trim()))
}

/// Removes the quotes and escapes of a quoted value; returns others unchanged.
pub(super) fn unquoted(text: &str) -> String {
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let Some(quoted) = quoted else {
        return text.to_owned();
    };
    let mut letters = quoted.chars();
    let mut unquoted = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => unquoted.extend(letters.next()),
            letter => unquoted.push(letter),
        }
    }
    unquoted
}

/// Decodes the escapes `\\`, `\r`, `\n` and `\xHH`; `None` if there are others.
pub(super) fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let mut letters = escape.chars();
        match letters.next()? {
            '\\' => bytes.push(b'\\'),
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            'x' => {
                let digits = letters.as_str().get(..2)?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                letters = letters.as_str().get(2..)?.chars();
            }
            _ => return None,
        }
        rest = letters.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}
