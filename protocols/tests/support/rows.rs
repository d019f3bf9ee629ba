//! Tables of frames.

use polysock_protocols::{Event, Kind, Role};

use super::{Joined, assert_decodes, encode, hex, piece};

/// Protocols, senders, the bytes, and the events.
pub(crate) type Row<'a> = (&'a [&'a str], &'a [Role], String, Vec<Event>);

pub(crate) fn row<'a>(
    names: &'a [&'a str],
    senders: &'a [Role],
    hex: &str,
    events: Vec<Event>,
) -> Row<'a> {
    (names, senders, hex.to_owned(), events)
}

/// Returns a byte in hexadecimal, repeated.
pub(crate) fn run(byte: u8, count: usize) -> String {
    format!("{byte:02x}").repeat(count)
}

/// Checks rows in which the bytes are what the sender writes and what the receiver reads.
pub(crate) fn assert_both_ways(rows: &[Row<'_>]) {
    for (names, senders, digits, events) in rows {
        for (name, sender) in pairs(names, senders) {
            let (mut from, _) = Joined::sample(name).ends(sender);
            let written = encode(&mut *from, events);
            assert_eq!(written, hex(digits), "{name} {sender:?} {digits:.60}");
        }
    }
    assert_read(rows);
}

/// Checks rows in which the bytes are what the receiver reads.
pub(crate) fn assert_read(rows: &[Row<'_>]) {
    for (names, senders, digits, events) in rows {
        for (name, sender) in pairs(names, senders) {
            let what = format!("{name} {sender:?} {digits:.60}");
            let receiver = || Joined::sample(name).ends(sender).1;
            assert_decodes(&what, receiver, &hex(digits), events, None);
        }
    }
}

fn pairs<'a>(names: &[&'a str], senders: &[Role]) -> Vec<(&'a str, Role)> {
    let of = |name| senders.iter().map(move |sender| (name, *sender));
    names.iter().copied().flat_map(of).collect()
}

/// `Hel` and `lo`, pieces of one text.
pub(crate) fn hel_lo() -> Vec<Event> {
    vec![
        piece(Kind::Text, "Hel", false),
        piece(Kind::Text, "lo", true),
    ]
}
