//! The errors and warnings in a file, and their output.

use std::fmt::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

use polysock::protocols::hide_secrets;

/// An error or a warning at one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The byte range.
    pub(super) at: Range<usize>,
    /// The description.
    pub(super) what: String,
    /// The remedy.
    pub(super) mend: String,
    pub(super) weight: Weight,
}

/// The severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The file cannot be used.
    Error,
    /// The file can be used, but may not do what its author expects.
    Warning,
}

/// All errors and warnings of a file.
#[derive(Clone, Debug)]
pub(crate) struct Problems {
    file: PathBuf,
    text: String,
    found: Vec<Problem>,
}

impl Problems {
    /// Creates an empty list.
    pub(super) fn new(file: PathBuf, text: String) -> Self {
        Self {
            file,
            text,
            found: Vec::new(),
        }
    }

    /// Records an error.
    pub(super) fn error(
        &mut self,
        at: Range<usize>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.note(at, what.into(), mend.into(), Weight::Error);
    }

    /// Records a warning.
    pub(super) fn warn(
        &mut self,
        at: Range<usize>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.note(at, what.into(), mend.into(), Weight::Warning);
    }

    fn note(&mut self, at: Range<usize>, what: String, mend: String, weight: Weight) {
        let problem = Problem {
            at,
            what,
            mend,
            weight,
        };
        // Inherited settings are read once for each route that inherits them.
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// The number of the line that contains this byte.
    pub(super) fn line(&self, at: usize) -> usize {
        Place::new(&self.text, &(at..at)).number
    }

    /// True if there is an error.
    pub(super) fn has_errors(&self) -> bool {
        let mut found = self.found.iter();
        found.any(|problem| problem.weight == Weight::Error)
    }

    /// True if there are no errors and no warnings.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// Formats the list for a terminal, in the order of the file: the place, the description, the line,
/// and the remedy next to a caret. Secrets in a line are masked.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut found: Vec<_> = self.found.iter().collect();
        found.sort_by_key(|problem| problem.at.start);
        for (index, problem) in found.into_iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            self.write(problem, f)?;
        }
        Ok(())
    }
}

impl Problems {
    fn write(&self, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Place::new(&self.text, &problem.at);
        let file = self.file.display();
        let (number, column) = (place.number, place.column);
        let weight = match problem.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        writeln!(f, "{file}:{number}:{column}: {weight}: {}", problem.what)?;
        let before = hide_secrets(place.before);
        let marked = hide_secrets(place.marked);
        writeln!(
            f,
            "{number:>5} | {before}{marked}{}",
            hide_secrets(place.after)
        )?;
        // A tab in the indentation must be as wide as the tab above it.
        let indent = before.chars().map(|c| if c == '\t' { c } else { ' ' });
        let indent: String = indent.collect();
        let carets = "^".repeat(marked.chars().count().max(1));
        writeln!(f, "      | {indent}{carets} {}", problem.mend)
    }
}

/// A place in the file.
struct Place<'a> {
    /// The number of the line, from 1 on.
    number: usize,
    /// The number of the first character in its line, from 1 on.
    column: usize,
    /// The line before the place.
    before: &'a str,
    /// The part of the place that is on the line.
    marked: &'a str,
    /// The rest of the line.
    after: &'a str,
}

impl<'a> Place<'a> {
    fn new(text: &'a str, at: &Range<usize>) -> Self {
        let start = floor(text, at.start);
        let (above, rest) = text.split_at(start);
        let begin = above.rfind('\n').map_or(0, |end| end + 1);
        let rest = rest.lines().next().unwrap_or_default();
        let end = floor(rest, at.end.saturating_sub(start));
        let before = above.get(begin..).unwrap_or_default();
        Self {
            number: above.matches('\n').count() + 1,
            column: before.chars().count() + 1,
            before,
            marked: rest.get(..end).unwrap_or_default(),
            after: rest.get(end..).unwrap_or_default(),
        }
    }
}

/// The last character boundary at or before this byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
