//! Text formatting for pages.

use std::time::Duration;

use crate::log::visible;

/// The longest shown text from a client, in characters.
const CUT: usize = 200;

/// Makes text from a client visible, and truncates it.
pub(super) fn said(text: &str) -> String {
    let mut shown = visible(text);
    if let Some((end, _)) = shown.char_indices().nth(CUT) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// Formats a duration: `3 d 4 h`.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Formats a number of bytes: `1.5 MiB`.
pub(super) fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut tenths = count.saturating_mul(10);
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    match (unit, tenths % 10) {
        (0, _) | (_, 0) => format!("{} {name}", tenths / 10),
        (_, tenth) => format!("{}.{tenth} {name}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_clients_is_escaped_and_cut() {
        assert_eq!(said("<script>"), "<script>");
        assert_eq!(said("a\u{202e}b\u{1b}c\nd"), "a\\u{202e}b\\u{1b}c\\nd");
        assert_eq!(said(&"a".repeat(8192)).chars().count(), CUT + 1);
    }

    #[test]
    fn times_and_sizes_are_readable() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3 * 3600 + 120, "3 h 2 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds)), expected);
        }
        for (count, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (5 << 20, "5 MiB"),
            (3 << 40, "3 TiB"),
        ] {
            assert_eq!(bytes(count), expected, "{count}");
        }
    }
}
