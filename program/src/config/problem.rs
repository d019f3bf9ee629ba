//! What is wrong with a file, and how it is told.

use std::fmt::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

use polysock::protocols::hide_secrets;

/// What is wrong at one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The bytes that it is about.
    pub(super) at: Range<usize>,
    /// What is wrong.
    pub(super) what: String,
    /// How to mend it.
    pub(super) mend: String,
    pub(super) weight: Weight,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The file cannot be used.
    Error,
    /// The file can be used, and does something else than its author may think.
    Warning,
}

/// What was found in a file, all of it.
#[derive(Clone, Debug)]
pub(crate) struct Problems {
    file: PathBuf,
    text: String,
    found: Vec<Problem>,
}

impl Problems {
    /// Nothing yet.
    pub(super) fn new(file: PathBuf, text: String) -> Self {
        Self {
            file,
            text,
            found: Vec::new(),
        }
    }

    /// Notes an error.
    pub(super) fn error(
        &mut self,
        at: Range<usize>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.note(at, what.into(), mend.into(), Weight::Error);
    }

    /// Notes a warning.
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
        // What is inherited is read once for each that inherits it.
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// The number of the line that has this byte.
    pub(super) fn line(&self, at: usize) -> usize {
        Place::new(&self.text, &(at..at)).number
    }

    /// Whether there is an error.
    pub(super) fn has_errors(&self) -> bool {
        let mut found = self.found.iter();
        found.any(|problem| problem.weight == Weight::Error)
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// For a terminal, in the order of the file: place, what is wrong, the line, and the mend beside a
/// caret. The secrets of a line are masked.
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
        // A tab takes as much room below as it does above.
        let indent = before.chars().map(|c| if c == '\t' { c } else { ' ' });
        let indent: String = indent.collect();
        let carets = "^".repeat(marked.chars().count().max(1));
        writeln!(f, "      | {indent}{carets} {}", problem.mend)
    }
}

/// Where something stands.
struct Place<'a> {
    /// The number of its line, from 1 on.
    number: usize,
    /// The number of its first character, from 1 on.
    column: usize,
    /// The line, up to it.
    before: &'a str,
    /// As much of it as is on the line.
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

/// The last place up to this one where a character begins, or the text ends.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
