//! The standard error of processes, in the log.

use std::process::ChildStderr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::time::Instant;
use tracing::{debug, info};

/// The longest line in bytes. A longer line is split.
const LINE: u64 = 1024;

/// The number of lines of a process that are logged in a second. Further lines are counted.
const LINES: u32 = 100;

/// Logs the lines of a process until its standard error ends.
pub(super) async fn log_lines(program: String, process: u32, stderr: ChildStderr) {
    let stderr = match pipe::Receiver::from_owned_fd(stderr.into()) {
        Ok(stderr) => stderr,
        Err(error) => {
            debug!(program, process, %error, "the standard error of a process cannot be read");
            return;
        }
    };
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    let (mut second, mut count) = (Instant::now(), 0_u32);
    loop {
        line.clear();
        match (&mut reader).take(LINE).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
        if second.elapsed() >= Duration::from_secs(1) {
            tell_dropped(&program, process, count);
            (second, count) = (Instant::now(), 0);
        }
        count = count.saturating_add(1);
        if count <= LINES {
            let stderr = String::from_utf8_lossy(line.trim_ascii_end());
            info!(program, process, %stderr, "process");
        }
    }
    tell_dropped(&program, process, count);
}

fn tell_dropped(program: &str, process: u32, count: u32) {
    if let Some(dropped @ 1..) = count.checked_sub(LINES) {
        info!(
            program,
            process,
            dropped,
            "too many lines of standard error in a second: the rest is not logged"
        );
    }
}
