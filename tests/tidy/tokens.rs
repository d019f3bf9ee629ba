//! A lexer that splits a Rust file into words and signs, without comments, literals, lifetimes and
//! tests.

/// Returns the words and signs of a file. `::` is one sign; any other character is a sign by
/// itself.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    without_tests(&lex(text))
}

fn lex(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = if rest.starts_with("//") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if rest.starts_with("/*") {
            behind_comment(rest)
        } else if let Some(after) = behind_raw_string(rest) {
            after
        } else if first == '"' {
            behind_string(rest)
        } else if first == '\'' {
            behind_quote(rest)
        } else if is_of_word(first) {
            let rest = rest.strip_prefix("r#").unwrap_or(rest);
            let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            &rest[end..]
        } else if let Some(after) = rest.strip_prefix("::") {
            tokens.push("::".to_owned());
            after
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            &rest[first.len_utf8()..]
        };
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Block comments nest.
fn behind_comment(text: &str) -> &str {
    let mut depth = 0;
    let mut at = 0;
    loop {
        match &text.as_bytes()[at..] {
            [] => return "",
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return &text[at + 2..],
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            [..] => at += 1,
        }
    }
}

fn behind_string(text: &str) -> &str {
    let mut escaped = true; // The opening quote is not the end.
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return &text[at + 1..],
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    ""
}

/// Skips `r"…"`, `r#"…"#`, `br"…"` and the like.
fn behind_raw_string(text: &str) -> Option<&str> {
    let after = ["r", "br", "cr"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))?;
    let inside = after.trim_start_matches('#');
    let hashes = &after[..after.len() - inside.len()];
    let inside = inside.strip_prefix('"')?;
    let (_, behind) = inside.split_once(&format!("\"{hashes}"))?;
    Some(behind)
}

/// Skips a character, or the quote and the name of a lifetime.
fn behind_quote(text: &str) -> &str {
    let mut inside = text[1..].char_indices();
    match (inside.next(), inside.next()) {
        (Some((_, '\\')), Some((at, _))) => {
            let escape = &text[1 + at + 1..];
            escape.split_once('\'').map_or("", |(_, after)| after)
        }
        (Some(_), Some((at, '\''))) => &text[1 + at + 1..],
        _ => text[1..].trim_start_matches(is_of_word),
    }
}

/// Removes every item after `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(TEST.len()).eq(TEST) {
            at = behind_item(tokens, at + TEST.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Returns the end of an item: after its braces or its semicolon.
fn behind_item(tokens: &[String], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" => return at + 1,
            "{" => return behind_group(tokens, at),
            "(" | "[" => at = behind_group(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// Returns the end of the group that begins here.
pub(crate) fn behind_group(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}

#[test]
fn comments_strings_and_tests_are_left_out() {
    let text = r##"
        use a::b; // crate::comment
        /* crate::outer /* crate::inner */ crate::rest */
        fn f<'a>(x: &'a str) -> char { let r#type = "crate::\"text"; let _ = r#"crate::"raw"#; '"' }
        #[cfg(test)]
        #[allow(x)]
        mod tests { use crate::tested; fn g() {} }
        const QUOTE: char = '\''; const LEFT: char = '(';
    "##;
    let expected = "use a :: b ; fn f < > ( x : & str ) - > char { let type = ; let _ = ; } \
                    const QUOTE : char = ; const LEFT : char = ;";
    assert_eq!(tokens(text).join(" "), expected);
}
