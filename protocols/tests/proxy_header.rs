//! Headers of the PROXY protocol: accepted ones, refused ones, and reading back of written ones.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use polysock_protocols::{ProxiedEnds, ProxyHeader, ProxyHeaderError, ProxyVersion};
use proptest::collection::vec;
use proptest::prelude::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes after a header.
const BEHIND: &[u8] = b"GET / HTTP/1.1\r\n";

fn tcp(source: &str, destination: &str) -> ProxyHeader {
    ProxyHeader {
        ends: ProxiedEnds::Tcp {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        },
        secure: false,
    }
}

/// Returns a header of version 2.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let len = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &len, block].concat()
}

/// The addresses 203.0.113.7:51234 and 192.0.2.1:443.
const TCP4: &[u8] = b"\xcb\0\x71\x07\xc0\0\x02\x01\xc8\x22\x01\xbb";

fn ends_of_tcp4() -> ProxyHeader {
    tcp("203.0.113.7:51234", "192.0.2.1:443")
}

/// Reads a header in pieces of this many bytes, and checks that no more bytes are requested than
/// needed.
fn read(bytes: &[u8], piece: usize) -> Result<Option<(ProxyHeader, Bytes)>, ProxyHeaderError> {
    let mut src = BytesMut::new();
    for piece in bytes.chunks(piece) {
        src.extend_from_slice(piece);
        let before = src.clone();
        match ProxyHeader::read(&mut src) {
            Ok(Some(header)) => {
                let rest = bytes.len() - (before.len() - src.len());
                let behind = Bytes::copy_from_slice(&bytes[bytes.len() - rest..]);
                return Ok(Some((header, behind)));
            }
            other => {
                assert_eq!(src, before, "something was taken off");
                other?;
            }
        }
    }
    Ok(None)
}

#[test]
fn reads_a_header_and_leaves_the_bytes_after_it() {
    let tls = [TCP4, b"\x20\0\x05\x01\0\0\0\0"].concat();
    let not_tls = [TCP4, b"\x04\0\x02ab\x20\0\x05\0\0\0\0\0"].concat();
    let mut paths = [0; 216];
    paths[..4].copy_from_slice(b"/a/b");
    paths[108..111].copy_from_slice(b"\0ab");
    let v6 = tcp("[2001:db8::7]:0", "[2001:db8::1]:65535");
    let v6_block = {
        let mut written = BytesMut::new();
        v6.write(ProxyVersion::V2, &mut written);
        written[16..].to_vec()
    };
    for (bytes, expected) in [
        (
            b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n".to_vec(),
            ends_of_tcp4(),
        ),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8:0:0:0:0:0:1 0 65535\r\n".to_vec(),
            v6.clone(),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), ProxyHeader::default()),
        (
            b"PROXY UNKNOWN ffff:: and whatever\r\n".to_vec(),
            ProxyHeader::default(),
        ),
        (
            [&b"PROXY UNKNOWN "[..], &[b'x'; 91], b"\r\n"].concat(),
            ProxyHeader::default(),
        ),
        (binary(0x21, 0x11, TCP4), ends_of_tcp4()),
        (binary(0x21, 0x21, &v6_block), v6),
        (binary(0x21, 0x11, &not_tls), ends_of_tcp4()),
        (
            binary(0x21, 0x11, &tls),
            ProxyHeader {
                secure: true,
                ..ends_of_tcp4()
            },
        ),
        (
            binary(0x21, 0x31, &paths),
            ProxyHeader {
                ends: ProxiedEnds::Unix {
                    source: "/a/b".into(),
                    destination: Bytes::from_static(b"\0ab"),
                },
                secure: false,
            },
        ),
        (binary(0x20, 0x00, b""), ProxyHeader::default()),
        // The bytes after LOCAL have no meaning.
        (binary(0x20, 0xff, b"\x01"), ProxyHeader::default()),
        (binary(0x21, 0x00, b"abc"), ProxyHeader::default()),
    ] {
        let bytes = [&bytes, BEHIND].concat();
        for piece in [1, 2, 7, bytes.len()] {
            let expected = (expected.clone(), Bytes::from_static(BEHIND));
            assert_eq!(read(&bytes, piece), Ok(Some(expected)), "{bytes:?}");
        }
    }
}

#[test]
fn other_first_bytes_are_no_proxy_header() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"POST / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"proxy TCP4 ",
        b"PROXY\tTCP4 ",
        b"PROXY\r\n",
        b"\r\nGET / HTTP/1.1\r\n",
        b"\r\n\r\n\0\r\nQUIT\r\n",
        b"\x16\x03\x01",
        b"\0",
    ] {
        for piece in [1, bytes.len()] {
            assert_eq!(read(bytes, piece), Err(ProxyHeaderError::Missing));
        }
    }
}

#[test]
fn refuses_a_broken_header() {
    let line = |line: &str| format!("PROXY {line}\r\n").into_bytes();
    let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 92], b"\r\n"].concat();
    for bytes in [
        line("TCP4 203.0.113.7 192.0.2.1 51234"),
        line("TCP4 203.0.113.7 192.0.2.1 51234 443 1"),
        line("TCP4 203.0.113.7 192.0.2.1 51234 443 "),
        line("TCP4  203.0.113.7 192.0.2.1 51234 443"),
        line("TCP4 203.0.113.7 192.0.2.1 51234 65536"),
        line("TCP4 203.0.113.7 192.0.2.1 +1234 443"),
        line("TCP4 203.0.113.7 192.0.2.1 051 443"),
        line("TCP4 203.0.113.07 192.0.2.1 1 443"),
        line("TCP4 2001:db8::7 192.0.2.1 1 443"),
        line("TCP6 203.0.113.7 192.0.2.1 1 443"),
        line("TCP6 [2001:db8::7] 2001:db8::1 1 443"),
        line("TCP6 fe80::1%eth0 2001:db8::1 1 443"),
        line("TCP5 203.0.113.7 192.0.2.1 1 443"),
        line("TCP4 a.example 192.0.2.1 1 443"),
        line("UNKNOWNX"),
        line("unknown"),
        line("TCP4 203.0.113.7 192.0.2.1 1 443\rX"),
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1 443\n".to_vec(),
        b"PROXY UNKNOWN\nGET / HTTP/1.1\r\n".to_vec(),
        long,
        [&b"PROXY "[..], &[b'x'; 101]].concat(),
        binary(0x11, 0x11, TCP4),
        binary(0x22, 0x11, TCP4),
        binary(0x21, 0x12, TCP4),
        binary(0x21, 0x01, TCP4),
        binary(0x21, 0x41, TCP4),
        binary(0x21, 0x11, &TCP4[..11]),
        binary(0x21, 0x21, TCP4),
        binary(0x21, 0x31, &[0; 215]),
        binary(0x21, 0x11, &[TCP4, b"\x04"].concat()),
        binary(0x21, 0x11, &[TCP4, b"\x04\0\x03ab"].concat()),
        binary(0x21, 0x11, &[TCP4, b"\x04\xff\xffab"].concat()),
    ] {
        for piece in [1, bytes.len()] {
            let end = read(&bytes, piece);
            let is_malformed = matches!(end, Err(ProxyHeaderError::Malformed(_)));
            assert!(
                is_malformed,
                "{end:?} {:?}",
                bytes.escape_ascii().to_string()
            );
        }
    }
}

#[test]
fn an_excessive_length_is_refused_before_the_announced_bytes_arrive() {
    let mut fields = vec![0; ProxyHeader::MAX - 16];
    fields[..12].copy_from_slice(TCP4);
    let len = u16::try_from(fields.len() - 15).unwrap().to_be_bytes();
    fields[13..15].copy_from_slice(&len);
    assert!(read(&binary(0x21, 0x11, &fields), 1000).unwrap().is_some());
    fields.push(0);
    let header = &binary(0x20, 0x11, &fields)[..16];
    let too_long = ProxyHeaderError::TooLong {
        len: ProxyHeader::MAX + 1,
        limit: ProxyHeader::MAX,
    };
    assert_eq!(read(header, 1), Err(too_long));
}

#[test]
fn addresses_that_a_version_cannot_express_are_written_as_unknown() {
    let unix = |path: &'static [u8]| ProxyHeader {
        ends: ProxiedEnds::Unix {
            source: Bytes::from_static(path),
            destination: Bytes::new(),
        },
        secure: true,
    };
    for (header, version, expected) in [
        (unix(b"/a"), ProxyVersion::V1, ProxyHeader::default()),
        (unix(&[b'x'; 109]), ProxyVersion::V2, ProxyHeader::default()),
        (unix(&[b'x'; 108]), ProxyVersion::V2, unix(&[b'x'; 108])),
        (
            tcp("[::ffff:203.0.113.7]:1", "192.0.2.1:2"),
            ProxyVersion::V1,
            tcp("203.0.113.7:1", "192.0.2.1:2"),
        ),
        (
            tcp("203.0.113.7:1", "[2001:db8::1]:2"),
            ProxyVersion::V2,
            tcp("[::ffff:203.0.113.7]:1", "[2001:db8::1]:2"),
        ),
    ] {
        let mut written = BytesMut::new();
        header.write(version, &mut written);
        assert_eq!(ProxyHeader::read(&mut written), Ok(Some(expected)));
    }
}

/// Generates headers that both versions can express, except for TLS.
fn headers() -> impl Strategy<Value = ProxyHeader> {
    let address = |is_v4: bool| {
        (any::<u32>(), any::<u128>(), any::<u16>()).prop_map(move |(v4, v6, port)| {
            let v6 = IpAddr::from(v6.to_be_bytes());
            let ip = if is_v4 || v6.to_canonical().is_ipv4() {
                v4.to_be_bytes().into()
            } else {
                v6
            };
            SocketAddr::new(ip, port)
        })
    };
    let ends = any::<bool>().prop_flat_map(move |is_v4| (address(is_v4), address(is_v4)));
    let ends = ends.prop_filter("of one family", |(source, destination)| {
        source.is_ipv4() == destination.is_ipv4()
    });
    let ends = ends.prop_map(|(source, destination)| ProxiedEnds::Tcp {
        source,
        destination,
    });
    (
        prop_oneof![9 => ends, 1 => Just(ProxiedEnds::Unknown)],
        any::<bool>(),
    )
        .prop_map(|(ends, secure)| ProxyHeader {
            secure: secure && ends != ProxiedEnds::Unknown,
            ends,
        })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_written_proxy_header_is_read_however_it_is_cut(
        header in headers(),
        is_binary in any::<bool>(),
        piece in 1_usize..120,
        behind in vec(any::<u8>(), 0..20),
    ) {
        let version = if is_binary { ProxyVersion::V2 } else { ProxyVersion::V1 };
        let mut written = BytesMut::new();
        header.write(version, &mut written);
        prop_assert!(written.len() <= 232);
        written.extend_from_slice(&behind);
        let expected = ProxyHeader { secure: header.secure && is_binary, ..header };
        prop_assert_eq!(read(&written, piece), Ok(Some((expected, Bytes::from(behind)))));
    }

    #[test]
    fn any_bytes_are_read_alike_in_pieces_and_without_a_panic(
        bytes in vec(any::<u8>(), 0..300),
        beginning in 0_usize..4,
        piece in 1_usize..20,
    ) {
        let beginning = [&b""[..], b"PROXY ", b"PROXY TCP4 1.2.3.4 ", SIGNATURE][beginning];
        let bytes = [beginning, &bytes].concat();
        let whole = read(&bytes, bytes.len().max(1));
        prop_assert_eq!(read(&bytes, piece), whole.clone());
        if bytes.len() >= ProxyHeader::MAX {
            prop_assert!(whole != Ok(None));
        }
    }
}
