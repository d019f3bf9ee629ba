//! Range requests (RFC 9110 §14).

use hyper::header::{HeaderMap, RANGE};

/// The range that a request selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranged {
    /// The whole file: there is no range, or several, or an invalid one.
    Whole,
    Part(Range),
    /// A range outside the file.
    Nothing,
}

/// A range of bytes; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Ranged {
    /// Reads the range for a file of this length.
    pub(super) fn of(headers: &HeaderMap, len: u64) -> Self {
        let mut values = headers.get_all(RANGE).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        };
        value
            .and_then(|value| parse(value, len))
            .unwrap_or(Self::Whole)
    }
}

fn parse(value: &str, len: u64) -> Option<Ranged> {
    let (unit, range) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let range = if first.is_empty() {
        // A suffix range: the last bytes of the file.
        let start = len.saturating_sub(number(last)?);
        Range { start, end: len }
    } else {
        let start = number(first)?;
        let end = if last.is_empty() {
            len
        } else {
            let last = number(last)?;
            if last < start {
                return None;
            }
            last.saturating_add(1).min(len)
        };
        Range { start, end }
    };
    Some(if range.start < range.end {
        Ranged::Part(range)
    } else {
        Ranged::Nothing
    })
}

/// Parses a number of digits only; a number that is too large becomes `u64::MAX`.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_range_is_a_part_and_an_invalid_one_is_ignored() {
        let part = |start, end| Ranged::Part(Range { start, end });
        for (value, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-4", part(2, 5)),
            ("BYTES=2-", part(2, 10)),
            ("bytes=-3", part(7, 10)),
            ("bytes=-99", part(0, 10)),
            ("bytes=9-99999999999999999999999", part(9, 10)),
            ("bytes=10-", Ranged::Nothing),
            ("bytes=10-11", Ranged::Nothing),
            ("bytes=-0", Ranged::Nothing),
            ("bytes=4-2", Ranged::Whole),
            ("bytes=0-1,3-4", Ranged::Whole),
            ("bytes=-", Ranged::Whole),
            ("bytes=+1-2", Ranged::Whole),
            ("bytes", Ranged::Whole),
            ("lines=1-2", Ranged::Whole),
        ] {
            let headers = HeaderMap::from_iter([(RANGE, value.parse().unwrap())]);
            assert_eq!(Ranged::of(&headers, 10), expected, "{value}");
        }
        assert_eq!(Ranged::of(&HeaderMap::new(), 10), Ranged::Whole);
    }
}
