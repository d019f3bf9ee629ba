//! `polysock man`.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man as Page;
use time::OffsetDateTime;

use crate::exit::Exit;

/// The longest line of text in a page's source.
const MAX_LINE: usize = 80;

/// Write the manual pages: polysock(1), and one for each command
///
/// `man -l DIR/polysock-serve.1` shows one of them. Packages already contain them. Their date is
/// today's, or that of `SOURCE_DATE_EPOCH` if it is set.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Directory to write the pages to; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Man {
    pub(crate) fn run(self, command_line: clap::Command) -> Exit {
        // Commands know their full names only after the whole tree is built.
        let mut whole = command_line.disable_help_subcommand(true);
        whole.build();
        let written = fs::create_dir_all(&self.out).and_then(|()| self.write(&whole, &date()));
        match written {
            Ok(()) => Exit::Ok,
            Err(error) => Exit::Failed.with(format!("{}: {error}", self.out.display())),
        }
    }

    /// Writes the pages of a command and its subcommands.
    fn write(&self, command: &clap::Command, date: &str) -> io::Result<()> {
        let name = command
            .get_display_name()
            .unwrap_or_else(|| command.get_name());
        let page = Page::new(command.clone())
            .title(name.to_uppercase())
            .date(date)
            .source(concat!("polysock ", env!("CARGO_PKG_VERSION")))
            .manual("Polysock");
        let mut source = Vec::new();
        page.render(&mut source)?;
        let file = self.out.join(page.get_filename());
        fs::write(file, tidied(&String::from_utf8_lossy(&source)))?;
        let mut below = command
            .get_subcommands()
            .filter(|below| !below.is_hide_set());
        below.try_for_each(|below| self.write(below, date))
    }
}

/// The date on the pages.
fn date() -> String {
    // https://reproducible-builds.org/specs/source-date-epoch/
    let set = env::var("SOURCE_DATE_EPOCH").ok();
    let seconds = set.and_then(|seconds| seconds.parse().ok());
    let given = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    given
        .unwrap_or_else(OffsetDateTime::now_utc)
        .date()
        .to_string()
}

/// Cleans up the crate's output where mandoc(1) complains: trailing blanks, breaks around an empty
/// line, long lines.
fn tidied(source: &str) -> String {
    let mut tidied = String::with_capacity(source.len());
    let lines: Vec<_> = source.lines().map(str::trim_end).collect();
    let mut rest = &lines[..];
    let mut is_tag = false;
    loop {
        rest = match rest {
            [".br", "", ".br", rest @ ..] => {
                tidied += ".sp\n";
                rest
            }
            [line, rest @ ..] => {
                // The line after .TP is the tag, and must stay one line.
                if is_tag || line.starts_with(['.', '\'']) {
                    tidied += line;
                } else {
                    wrap(line, &mut tidied);
                }
                tidied.push('\n');
                is_tag = *line == ".TP";
                rest
            }
            [] => return tidied,
        }
    }
}

/// Wraps a line of text at blanks. No new line begins with a character that would make it a
/// request.
fn wrap(line: &str, wrapped: &mut String) {
    let mut length = 0;
    for word in line.split(' ') {
        let is_text = !word.is_empty() && !word.starts_with(['.', '\'']);
        if length > 0 && length + 1 + word.len() > MAX_LINE && is_text {
            wrapped.push('\n');
            length = 0;
        } else if length > 0 {
            wrapped.push(' ');
            length += 1;
        }
        *wrapped += word;
        length += word.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_tidied() {
        let long = "a".repeat(MAX_LINE);
        for (source, expected) in [
            (".SH NAME\na \n", ".SH NAME\na\n".to_owned()),
            ("a\n.br\n\n.br\nb\n", "a\n.sp\nb\n".to_owned()),
            (&format!("{long} b"), format!("{long}\nb\n")),
            (&format!("{long} .b c"), format!("{long} .b\nc\n")),
            (&format!("{long} 'b"), format!("{long} 'b\n")),
            (&format!(".TP\n{long} b"), format!(".TP\n{long} b\n")),
            (&format!(".TH {long} b"), format!(".TH {long} b\n")),
        ] {
            assert_eq!(tidied(source), expected, "{source}");
        }
    }
}
