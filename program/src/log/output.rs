//! The destination of log lines.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::queue::count_lost;

/// The destination of log lines.
#[derive(Debug)]
pub(super) struct Output {
    place: Place,
    /// The number of lines lost since writing last succeeded.
    unwritten: u64,
    /// True if the last write ended amid a line.
    is_mid_line: bool,
}

#[derive(Debug)]
enum Place {
    Stderr,
    Stdout,
    File { path: PathBuf, file: File },
}

/// The result of a write that must be reported.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The result is the same as before.
    AsBefore,
    /// Lines are being lost from now on, because of this error.
    Fails(io::Error),
    /// Writing works again, after this many lost lines.
    Recovered(u64),
}

impl Output {
    pub(super) fn stderr() -> Self {
        Self::to(Place::Stderr)
    }

    pub(super) fn stdout() -> Self {
        Self::to(Place::Stdout)
    }

    /// Opens a file for appending, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// The file cannot be opened.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::to(Place::File {
            path: path.to_owned(),
            file: open(path)?,
        }))
    }

    fn to(place: Place) -> Self {
        Self {
            place,
            unwritten: 0,
            is_mid_line: false,
        }
    }

    /// Opens the file again by name, after a rotation. On an error, the old file is kept.
    ///
    /// # Errors
    ///
    /// The file cannot be opened.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Place::File { path, file } = &mut self.place {
            *file = open(path)?;
            self.is_mid_line = false;
        }
        Ok(())
    }

    /// Writes whole lines. Lines that cannot be written are lost and counted.
    pub(super) fn write(&mut self, lines: &[u8]) -> Outcome {
        if lines.is_empty() {
            return Outcome::AsBefore;
        }
        match &mut self.place {
            Place::Stderr => {
                let written = write_all(&mut io::stderr(), lines);
                self.note(lines, written)
            }
            Place::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = write_all(&mut stdout, lines);
                let flushed = stdout.flush();
                let written = written.and_then(|()| flushed.map_err(|error| (0, error)));
                self.note(lines, written)
            }
            Place::File { file, .. } => {
                // Ends a partial line first, so that the next line starts on its own.
                let ended = match self.is_mid_line {
                    true => file.write_all(b"\n").map_err(|error| (0, error)),
                    false => Ok(()),
                };
                self.is_mid_line &= ended.is_err();
                let written = ended.and_then(|()| write_all(file, lines));
                self.note(lines, written)
            }
        }
    }

    fn note(&mut self, lines: &[u8], written: Result<(), (usize, io::Error)>) -> Outcome {
        match written {
            Ok(()) if self.unwritten == 0 => Outcome::AsBefore,
            Ok(()) => Outcome::Recovered(std::mem::take(&mut self.unwritten)),
            Err((len, error)) => {
                let (written, left) = lines.split_at_checked(len).unwrap_or((lines, &[]));
                if let Some(last) = written.last() {
                    self.is_mid_line = *last != b'\n';
                }
                let lost = left.iter().filter(|byte| **byte == b'\n').count();
                let lost = u64::try_from(lost).unwrap_or(u64::MAX);
                count_lost(lost);
                let is_new = self.unwritten == 0;
                self.unwritten += lost;
                match is_new {
                    true => Outcome::Fails(error),
                    false => Outcome::AsBefore,
                }
            }
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Stderr => f.write_str("standard error"),
            Place::Stdout => f.write_str("standard output"),
            Place::File { path, .. } => write!(f, "the log {}", path.display()),
        }
    }
}

/// Opens a file for appending. Only its owner and group may read who was connected.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o640).open(path)
}

/// Writes everything. On an error, returns the number of bytes written before it.
fn write_all(output: &mut impl Write, lines: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut left = lines;
    while !left.is_empty() {
        match output.write(left) {
            Ok(0) => return Err((lines.len() - left.len(), io::ErrorKind::WriteZero.into())),
            Ok(len) => left = left.get(len..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((lines.len() - left.len(), error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwritten_log_lines_are_counted_and_reported_once() {
        let mut full = Output::file(Path::new("/dev/full")).unwrap();
        let first = full.write(b"a\nb\n");
        assert!(matches!(first, Outcome::Fails(_)), "{first:?}");
        assert!(matches!(full.write(b"c\n"), Outcome::AsBefore));
        full.place = Place::File {
            path: "/dev/null".into(),
            file: open(Path::new("/dev/null")).unwrap(),
        };
        let then = full.write(b"d\n");
        assert!(matches!(then, Outcome::Recovered(3)), "{then:?}");
        assert!(matches!(full.write(b"e\n"), Outcome::AsBefore));
    }

    /// A writer with limited room.
    struct Room(usize);

    impl Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.0);
            self.0 -= len;
            match len {
                0 => Err(io::ErrorKind::StorageFull.into()),
                len => Ok(len),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_partly_written_line_is_detected_and_counted() {
        let lines = b"one\ntwo\nthree\n";
        for (room, lost, is_mid_line) in [(0, 3, false), (3, 3, true), (4, 2, false), (5, 2, true)]
        {
            let mut output = Output::stderr();
            let written = write_all(&mut Room(room), lines);
            assert!(matches!(output.note(lines, written), Outcome::Fails(_)));
            assert_eq!(
                (output.unwritten, output.is_mid_line),
                (lost, is_mid_line),
                "{room}"
            );
        }
    }
}
