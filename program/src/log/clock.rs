//! The time of a line.

use std::cell::RefCell;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{self, FormatTime};

/// The time of a line. What is the same for a second is made once in it.
pub(super) struct Clock;

thread_local! {
    /// The last second there was a line in, and its text as far as the point.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != now.as_secs() {
                *second = now.as_secs();
                text.clear();
                time::SystemTime.format_time(&mut Writer::new(text))?;
                text.truncate(text.find('.').unwrap_or(text.len()));
                text.push('.');
            }
            let point = text.len();
            // The digit before them keeps the zeroes that they begin with.
            let mut digits = itoa::Buffer::new();
            let micros = digits.format(1_000_000 + now.subsec_micros());
            text.extend(micros.strip_prefix('1'));
            text.push('Z');
            let written = writer.write_str(text);
            text.truncate(point);
            written
        })
    }
}
