//! Timestamps of log lines.

use std::cell::RefCell;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

thread_local! {
    /// The second of the thread's last line, and its text up to the decimal point.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Writes the time as in RFC 3339, in UTC and to a microsecond. The part up to the second is
/// formatted once a second.
pub(super) fn push_time(line: &mut String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_secs() {
            *second = now.as_secs();
            text.clear();
            push_second(text, utc(*second));
        }
        line.push_str(text);
    });
    // The added leading digit preserves leading zeroes.
    let mut digits = itoa::Buffer::new();
    let micros = digits.format(1_000_000 + now.subsec_micros());
    line.extend(micros.strip_prefix('1'));
    line.push('Z');
}

/// Formats a time as in RFC 3339, in UTC and to a millisecond.
pub(crate) fn time_of(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut text = String::new();
    push_second(&mut text, utc(since.as_secs()));
    // Writing to a string cannot fail.
    let _ = write!(text, "{:03}Z", since.subsec_millis());
    text
}

/// Writes the time as in the common log format: `29/Nov/2026:17:23:12 +0000`.
pub(super) fn push_common_time(line: &mut String) {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let now = OffsetDateTime::now_utc();
    let month = MONTHS.get(usize::from(u8::from(now.month())) - 1);
    let (hour, minute, second) = now.to_hms();
    // Writing to a string cannot fail.
    let _ = write!(
        line,
        "{:02}/{}/{:04}:{hour:02}:{minute:02}:{second:02} +0000",
        now.day(),
        month.unwrap_or(&""),
        now.year()
    );
}

/// Writes a time up to the decimal point of its seconds.
fn push_second(text: &mut String, time: OffsetDateTime) {
    let (hour, minute, second) = time.to_hms();
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}."
    );
}

fn utc(second: u64) -> OffsetDateTime {
    let second = i64::try_from(second).ok();
    let time = second.and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok());
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_written_as_in_rfc_3339() {
        for (second, expected) in [
            (0, "1970-01-01T00:00:00."),
            (951_782_399, "2000-02-28T23:59:59."),
            (951_782_400, "2000-02-29T00:00:00."),
            (1_796_059_392, "2026-11-30T17:23:12."),
        ] {
            let mut text = String::new();
            push_second(&mut text, utc(second));
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn written_times_have_a_fixed_length() {
        let (mut time, mut common) = (String::new(), String::new());
        push_time(&mut time);
        push_common_time(&mut common);
        assert_eq!(time.len(), "2026-11-29T17:23:12.000001Z".len(), "{time}");
        assert_eq!(common.len(), "29/Nov/2026:17:23:12 +0000".len(), "{common}");
    }
}
