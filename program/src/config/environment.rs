//! Environment variables in the strings of a file.

use thiserror::Error;

/// The reason why a string cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum ExpandError {
    /// A variable is not set.
    #[error(
        "the environment variable {0} is not set: set it, give a default as ${{{0}:-VALUE}}, or write $$ for a dollar"
    )]
    Missing(String),
    /// A variable is not valid UTF-8.
    #[error("the environment variable {0} is not valid UTF-8")]
    Text(String),
    /// A name is not terminated, or is invalid.
    #[error("write ${{NAME}}, of letters, digits and `_`, or $$ for a dollar")]
    Name,
}

/// Expands environment variables in a text: `${NAME}`, or `${NAME:-DEFAULT}` with a default. `$$`
/// becomes a dollar, and a dollar before any other character stays.
///
/// # Errors
///
/// A variable is not set, or its name is invalid.
pub(super) fn expand(text: &str) -> Result<String, ExpandError> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        rest = if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            after
        } else if let Some(after) = after.strip_prefix('{') {
            let (inner, after) = after.split_once('}').ok_or(ExpandError::Name)?;
            expanded.push_str(&variable(inner)?);
            after
        } else {
            expanded.push('$');
            after
        };
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Escapes a text so that [`expand`] returns it.
pub(super) fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

/// Expands `NAME` or `NAME:-DEFAULT`.
fn variable(inner: &str) -> Result<String, ExpandError> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_letter) {
        return Err(ExpandError::Name);
    }
    match (std::env::var(name), default) {
        (Ok(value), _) => Ok(value),
        (Err(std::env::VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
        (Err(std::env::VarError::NotPresent), None) => Err(ExpandError::Missing(name.to_owned())),
        (Err(std::env::VarError::NotUnicode(_)), _) => Err(ExpandError::Text(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_variables_that_are_set() {
        let path = std::env::var("PATH").unwrap();
        for (text, expected) in [
            ("plain", "plain"),
            ("${PATH}", &*path),
            ("a ${PATH:-b} c", &format!("a {path} c")),
            ("${POLYSOCK_NOT_SET:-}", ""),
            ("${POLYSOCK_NOT_SET:-a:-b}", "a:-b"),
            ("pa$word$", "pa$word$"),
            ("$${A} $$$$", "${A} $$"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn names_the_missing_variable() {
        let missing = ExpandError::Missing("POLYSOCK_NOT_SET".to_owned());
        assert_eq!(expand("${POLYSOCK_NOT_SET}"), Err(missing));
        for text in ["${", "${}", "${a", "${a b}", "${:-a}"] {
            assert_eq!(expand(text), Err(ExpandError::Name), "{text}");
        }
    }

    #[test]
    fn expanding_an_escaped_text_yields_the_text() {
        for text in ["$", "$$", "$$$", "${A}", "$${A}", "$$${", "a$b"] {
            assert_eq!(expand(&escape(text)).as_deref(), Ok(text));
        }
    }
}
