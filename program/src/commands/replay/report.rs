//! Reports of a replay.

use std::fmt::Write;

use polysock_instrument::transcript::Fixture;
use polysock_instrument::{Difference, Split, Verdict};
use serde_json::{Value, json};

/// The result of one fixture.
#[derive(Debug)]
pub(super) struct Result {
    name: String,
    split: Split,
    pub(super) verdict: Verdict,
    /// The line of each difference; `None` if it has no step.
    lines: Vec<Option<usize>>,
    /// The outcome of rewriting the file; `None` if that was not tried.
    updated: Option<std::result::Result<(), String>>,
}

impl Result {
    pub(super) fn new(
        fixture: &Fixture,
        split: Split,
        verdict: Verdict,
        updated: Option<std::result::Result<(), String>>,
    ) -> Self {
        let line = |difference: &Difference| fixture.line_of(difference.step?);
        let lines = match &verdict {
            Verdict::Failed { differences, .. } => differences.iter().map(line).collect(),
            Verdict::Passed | Verdict::Skipped(_) => Vec::new(),
        };
        Self {
            name: fixture.name.clone(),
            split,
            verdict,
            lines,
            updated,
        }
    }

    /// The differences, with the place of each.
    fn differences(&self) -> impl Iterator<Item = (String, &Difference)> {
        let differences = match &self.verdict {
            Verdict::Failed { differences, .. } => differences.as_slice(),
            Verdict::Passed | Verdict::Skipped(_) => &[],
        };
        differences
            .iter()
            .zip(&self.lines)
            .map(|(difference, line)| {
                let place = match line {
                    Some(line) => format!("{}:{line}: {}", self.name, difference.place),
                    None => format!("{}: {}", self.name, difference.place),
                };
                (place, difference)
            })
    }

    /// Describes the way the bytes were split.
    fn cut(&self) -> String {
        match &self.verdict {
            Verdict::Failed {
                point: Some(point), ..
            } => format!("cut after byte {point}"),
            _ => format!("split {}", self.split),
        }
    }
}

/// The numbers of passed, different and skipped fixtures.
fn counts(results: &[Result]) -> [usize; 3] {
    let count = |wanted: fn(&Verdict) -> bool| {
        results
            .iter()
            .filter(|result| wanted(&result.verdict))
            .count()
    };
    [
        count(|verdict| matches!(verdict, Verdict::Passed)),
        count(|verdict| matches!(verdict, Verdict::Failed { .. })),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
    ]
}

/// Formats the differences, the skipped fixtures and a line of counts.
pub(super) fn text(results: &[Result]) -> String {
    let mut text = String::new();
    for result in results {
        for (place, difference) in result.differences() {
            text += &format!("{place} ({})\n{difference}\n\n", result.cut());
        }
        match &result.updated {
            Some(Ok(())) => text += &format!("{}: updated\n\n", result.name),
            Some(Err(problem)) => text += &format!("{}: not updated: {problem}\n\n", result.name),
            None => {}
        }
    }
    for result in results {
        if let Verdict::Skipped(reason) = &result.verdict {
            text += &format!("{}: skipped: {reason}\n", result.name);
        }
    }
    let [passed, differ, skipped] = counts(results);
    text + &format!("{passed} as recorded, {differ} different, {skipped} skipped\n")
}

/// Formats an object with the counts and the differences of each fixture.
pub(super) fn json(results: &[Result]) -> String {
    let fixtures: Vec<Value> = results.iter().map(fixture).collect();
    let [passed, differ, skipped] = counts(results);
    let report = json!({
        "passed": passed,
        "failed": differ,
        "skipped": skipped,
        "fixtures": fixtures,
    });
    format!("{report:#}\n")
}

fn fixture(result: &Result) -> Value {
    let differences = result.differences().zip(&result.lines);
    let differences: Vec<Value> = differences
        .map(|((_, difference), line)| {
            json!({
                "line": line,
                "place": difference.place,
                "expected": difference.expected,
                "got": difference.got,
                "column": difference.column,
            })
        })
        .collect();
    let (verdict, reason) = match &result.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Failed { .. } => ("failed", None),
        Verdict::Skipped(reason) => ("skipped", Some(reason)),
    };
    json!({
        "name": result.name,
        "split": result.split.to_string(),
        "verdict": verdict,
        "reason": reason,
        "cut": matches!(result.verdict, Verdict::Failed { .. }).then(|| result.cut()),
        "differences": differences,
        "updated": result.updated.as_ref().map(std::result::Result::is_ok),
    })
}

/// Formats a test suite in JUnit XML, which CI systems read.
pub(super) fn junit(results: &[Result]) -> String {
    let [_, differ, skipped] = counts(results);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml += &format!(
        "<testsuite name=\"polysock replay\" tests=\"{}\" failures=\"{differ}\" \
         skipped=\"{skipped}\">\n",
        results.len()
    );
    for result in results {
        let name = escape(&result.name);
        xml += &format!(
            "  <testcase classname=\"{}\" name=\"{name}\">",
            result.split
        );
        for (place, difference) in result.differences() {
            let message = escape(&format!("{place} ({})", result.cut()));
            let details = escape(&difference.to_string());
            xml += &format!("<failure message=\"{message}\">{details}</failure>");
        }
        if let Verdict::Skipped(reason) = &result.verdict {
            xml += &format!("<skipped message=\"{}\"/>", escape(reason));
        }
        xml += "</testcase>\n";
    }
    xml + "</testsuite>\n"
}

/// Escapes text for an attribute or an element.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            other if other.is_control() && other != '\n' => {
                // XML 1.0 forbids these even as character references.
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(other));
            }
            other => escaped.push(other),
        }
    }
    escaped
}
