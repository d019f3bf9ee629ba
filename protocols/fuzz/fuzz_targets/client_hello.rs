//! Input: the beginning of a TLS connection.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polysock_protocols::{ClientHello, FirstBytes};

fuzz_target!(|bytes: &[u8]| {
    let found = |end| ClientHello::read(&bytes[..end]).transpose();
    let bytewise = (0..=bytes.len()).find_map(found);
    // Neither the bytes after the message nor the way it is split matter.
    let whole = ClientHello::read(bytes).transpose();
    assert_eq!(bytewise, whole);
    let Some(Ok(hello)) = whole else { return };
    assert!(FirstBytes::of(bytes) == FirstBytes::Tls);
    assert!(matches!(hello.newest(), 0 | 0x0300..=0x0304));
    assert_eq!(hello.alert(70)[..1], [21]);
});
