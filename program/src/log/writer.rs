//! The thread that writes the lines of a log.

use std::fmt::Display;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use tracing::{error, warn};

use super::output::{Outcome, Output};
use super::queue::Queue;

/// The time that lines gather after a write.
const PAUSE: Duration = Duration::from_millis(10);

/// The place where write errors are reported.
#[derive(Clone, Copy, Debug)]
pub(super) enum Telling {
    /// On standard error, as the error log itself cannot be written.
    OnStderr,
    /// In the error log.
    InLog,
}

/// Starts the thread that writes the lines of a queue.
///
/// # Errors
///
/// The thread cannot be started.
pub(super) fn start(
    name: &str,
    queue: &'static Queue,
    mut output: Output,
    telling: Telling,
) -> io::Result<()> {
    let builder = thread::Builder::new().name(name.into());
    builder.spawn(move || {
        let mut lines = Vec::new();
        loop {
            let taken = queue.take(&mut lines);
            if taken.reopen
                && let Err(error) = output.reopen()
            {
                error!("{output} cannot be reopened; the old file stays open: {error}");
            }
            match output.write(&lines) {
                Outcome::AsBefore => {}
                Outcome::Fails(error) => {
                    let problem =
                        format!("{output} cannot be written, and its lines are lost: {error}");
                    match telling {
                        Telling::OnStderr => tell(&problem),
                        Telling::InLog => error!("{problem}"),
                    }
                }
                Outcome::Recovered(lost) => {
                    warn!("{lost} lines of {output} are lost: they could not be written");
                }
            }
            if taken.lost > 0 {
                let lost = taken.lost;
                warn!("{lost} log lines are lost: their reader is too slow");
            }
            queue.written();
            thread::sleep(PAUSE);
        }
    })?;
    Ok(())
}

/// Writes a message to standard error, bypassing the log.
pub(super) fn tell(what: &dyn Display) {
    // An error here cannot be reported anywhere.
    let _ = writeln!(io::stderr(), "polysock: {what}");
}
