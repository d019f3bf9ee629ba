//! Input: a header of the PROXY protocol and the bytes after it.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use polysock_protocols::{ProxyHeader, ProxyVersion};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = BytesMut::from(bytes);
    let whole = ProxyHeader::read(&mut rest);
    let mut src = BytesMut::new();
    let bytewise = bytes.iter().find_map(|byte| {
        src.extend_from_slice(&[*byte]);
        ProxyHeader::read(&mut src).transpose()
    });
    assert_eq!(bytewise.transpose(), whole);
    let taken = bytes.len() - rest.len();
    let Ok(Some(header)) = whole else {
        assert!(taken == 0);
        // More bytes are requested only below the limit.
        assert!(whole != Ok(None) || bytes.len() < ProxyHeader::MAX);
        return;
    };
    assert!(taken <= ProxyHeader::MAX && src.is_empty());
    // The written header has the same meaning, and nothing is left after reading it.
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let mut written = BytesMut::new();
        header.write(version, &mut written);
        let read = ProxyHeader::read(&mut written).unwrap().unwrap();
        assert!(written.is_empty());
        let mut again = BytesMut::new();
        read.write(version, &mut again);
        assert_eq!(ProxyHeader::read(&mut again), Ok(Some(read)));
    }
});
