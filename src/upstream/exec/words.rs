//! The words of a command.

/// Splits a command at its blanks. Quotes and backslashes keep blanks within a word, as in a shell.
/// No other feature of a shell is supported.
///
/// # Errors
///
/// The problem, and how to correct it.
pub(super) fn words(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        if character.is_ascii_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        match character {
            '\'' => loop {
                match characters.next().ok_or(OPEN)? {
                    '\'' => break,
                    quoted => word.push(quoted),
                }
            },
            '"' => loop {
                match characters.next().ok_or(OPEN)? {
                    '"' => break,
                    '\\' => match characters.next().ok_or(OPEN)? {
                        escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                        other => word.extend(['\\', other]),
                    },
                    quoted => word.push(quoted),
                }
            },
            '\\' => word.push(characters.next().ok_or(BACKSLASH)?),
            '\0' => return Err("a command must not contain NUL"),
            plain => word.push(plain),
        }
    }
    words.extend(word);
    match words.first().map(String::is_empty) {
        Some(false) => Ok(words),
        _ => Err("the command is missing: write exec:COMMAND, such as exec:./count.sh"),
    }
}

const OPEN: &str = "a quote in the command is not closed: close it, or write a backslash before it";

const BACKSLASH: &str = "the command ends with a backslash: write two, or none";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them_and_nothing_else_is_done() {
        for (command, expected) in [
            ("./count.sh", &["./count.sh"][..]),
            ("  a\tb\n c ", &["a", "b", "c"]),
            (
                "sh -c 'echo \"$1\"; cat' x",
                &["sh", "-c", "echo \"$1\"; cat", "x"],
            ),
            (r#"a "b c" d'e f'g"#, &["a", "b c", "de fg"]),
            (
                r#"a "\"\\\$\n" '\n' \"\ b"#,
                &["a", r#""\$\n"#, r"\n", "\" b"],
            ),
            ("a '' \"\"", &["a", "", ""]),
            (
                "a $HOME *.txt | b > c; d & ~ #e",
                &[
                    "a", "$HOME", "*.txt", "|", "b", ">", "c;", "d", "&", "~", "#e",
                ],
            ),
        ] {
            assert_eq!(words(command).unwrap(), expected, "{command}");
        }
    }

    #[test]
    fn an_invalid_command_is_an_error_with_its_reason() {
        for (command, problem) in [
            ("", "missing"),
            ("  ", "missing"),
            ("'' a", "missing"),
            ("a 'b", "not closed"),
            ("a \"b", "not closed"),
            ("a \"b\\", "not closed"),
            ("a \\", "backslash"),
            ("a\0b", "NUL"),
        ] {
            let error = words(command).unwrap_err();
            assert!(error.contains(problem), "{command:?}: {error}");
        }
    }
}
