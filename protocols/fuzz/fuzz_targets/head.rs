//! Input: a head.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polysock_protocols::http::{Head, HeadLimits, HeadScanner};

fuzz_target!(|bytes: &[u8]| {
    let limits = HeadLimits {
        head: 2000,
        fields: 10,
    };
    let whole = HeadScanner::default().advance(bytes, &limits);
    let mut scanner = HeadScanner::default();
    let bytewise = (1..=bytes.len())
        .find_map(|end| scanner.advance(&bytes[..end], &limits).transpose())
        .transpose();
    assert_eq!(bytewise, whole);
    let Ok(Some(len)) = whole else { return };
    assert!(len <= limits.head);
    let Ok(head) = Head::parse(bytes, len, &limits) else {
        return;
    };
    assert_eq!(head.as_bytes(), &bytes[..len]);
    assert_eq!(head.is_followed(), bytes.len() > len);
    assert!(head.fields().count() <= limits.fields);
    for (name, value) in head.fields() {
        assert!(!name.is_empty() && value == value.trim_ascii());
        assert!(
            !name
                .iter()
                .chain(value)
                .any(|byte| b"\r\n\0".contains(byte))
        );
    }
});
