//! The first message of TLS, which lists the client's capabilities.
//!
//! ```text
//!   16 03 01 LEN LEN        one or more records (RFC 8446 §5.1), which contain
//!   01 LEN LEN LEN          the message (§4.1.2): version, random, session, suites, compression, extensions
//!
//!   80 LEN 01 03 01         the SSLv2 format, which old clients send first (RFC 5246 appendix E.2)
//! ```
//!
//! Only the parts that decide which TLS implementation answers are parsed. That implementation
//! parses the whole message again.

use nom::bytes::complete::take;
use nom::combinator::{all_consuming, eof, map_parser, verify};
use nom::multi::{count, length_data, many0};
use nom::number::complete::{be_u16, be_u24, u8 as byte};
use nom::sequence::preceded;
use nom::{IResult, Parser};
use thiserror::Error;

/// The ClientHello of TLS: the parts that show what the client supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The newest version, from before extensions existed that name a newer one.
    version: u16,
    cipher_suites: Vec<u16>,
    extensions: Extensions,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Extensions {
    /// `supported_versions` (RFC 8446 §4.2.1); `None` if absent.
    versions: Option<Vec<u16>>,
    /// True if `signature_algorithms` is present (RFC 5246 §7.4.1.4.1).
    names_signatures: bool,
}

/// The reason why received bytes are not the beginning of TLS.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientHelloError {
    /// The bytes break the format.
    #[error("not a TLS ClientHello: {0}")]
    Malformed(&'static str),
    /// The message is longer than any client's.
    #[error("TLS ClientHello of more than {limit} bytes", limit = ClientHello::MAX)]
    TooLong,
}

/// The content type of a record with handshake messages.
const HANDSHAKE: u8 = 22;
/// The type of the message.
const CLIENT_HELLO: u8 = 1;
/// The length of a record's header, and the longest fragment after it, in bytes (RFC 8446 §5.1).
const RECORD_HEADER: usize = 5;
const MAX_RECORD: u16 = 1 << 14;
/// A signal in the list of cipher suites (RFC 7507 §2).
const TLS_FALLBACK_SCSV: u16 = 0x5600;
/// The bytes of length, type and the upper half of the version in the SSLv2 format.
const SSLV2_BEGINNING: usize = 4;
const SIGNATURE_ALGORITHMS: u16 = 13;
const SUPPORTED_VERSIONS: u16 = 43;
const SSL3: u16 = 0x0300;
const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

impl ClientHello {
    /// The longest message that is read, in bytes with its record headers: five times the longest
    /// known.
    pub const MAX: usize = 16 * 1024;

    /// Reads a message from the received bytes without removing them; `None` if more are needed.
    ///
    /// # Errors
    ///
    /// The bytes are not the beginning of such a message.
    pub fn read(src: &[u8]) -> Result<Option<Self>, ClientHelloError> {
        let src = src.get(..Self::MAX).unwrap_or(src);
        let hello = match src.first() {
            None => None,
            Some(&HANDSHAKE) => Self::of_records(src)?,
            Some(_) => Self::of_sslv2(src)?,
        };
        if hello.is_none() && src.len() == Self::MAX {
            return Err(ClientHelloError::TooLong);
        }
        Ok(hello)
    }

    /// Returns the newest version that the client supports, as encoded in TLS: 0x0301 is TLS 1.0,
    /// and 0x0304 is TLS 1.3. Zero if it supports neither SSL 3 nor TLS.
    pub fn newest(&self) -> u16 {
        match &self.extensions.versions {
            None if self.version < SSL3 => 0,
            None => self.version.min(TLS12),
            Some(versions) => {
                let known = versions
                    .iter()
                    .filter(|version| (SSL3..=TLS13).contains(*version));
                known.max().copied().unwrap_or_default()
            }
        }
    }

    /// Returns the numbers of the cipher suites that the client offers.
    pub fn cipher_suites(&self) -> &[u16] {
        &self.cipher_suites
    }

    /// True if the client lists its signature algorithms. Otherwise TLS 1.2 implies SHA-1 (RFC 5246
    /// §7.4.1.4.1), and 1.3 is impossible.
    pub fn names_signatures(&self) -> bool {
        self.extensions.names_signatures
    }

    /// True if the client has failed to connect with a newer version before. If we support that
    /// version, an attacker in between has caused the failure, and the client must be refused (RFC
    /// 7507 §3).
    pub fn is_fallback(&self) -> bool {
        self.cipher_suites.contains(&TLS_FALLBACK_SCSV)
    }

    /// Returns the record that aborts the handshake with this alert (RFC 8446 §6), in a version
    /// that the client can read.
    pub fn alert(&self, description: u8) -> [u8; 7] {
        alert(self.version.min(TLS12), description)
    }

    fn of_records(mut src: &[u8]) -> Result<Option<Self>, ClientHelloError> {
        let mut message = Vec::new();
        // An incomplete record header is left for the next call; bytes after the message are
        // ignored.
        while let Some((header, behind)) = src.split_at_checked(RECORD_HEADER) {
            let (_, len) = record(header)
                .map_err(|_| ClientHelloError::Malformed("a record of a wrong type or length"))?;
            let fragment = behind.get(..usize::from(len)).unwrap_or(behind);
            message.extend_from_slice(fragment);
            if let Some(hello) = Self::of_message(&message)? {
                return Ok(Some(hello));
            }
            src = behind.get(fragment.len()..).unwrap_or_default();
        }
        Ok(None)
    }

    fn of_message(message: &[u8]) -> Result<Option<Self>, ClientHelloError> {
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(ClientHelloError::Malformed("another message comes first"));
        }
        let header = preceded(byte, be_u24::<_, nom::error::Error<_>>).parse(message);
        let Ok((body, len)) = header else {
            return Ok(None);
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > Self::MAX {
            return Err(ClientHelloError::TooLong);
        }
        let Some(body) = body.get(..len) else {
            return Ok(None);
        };
        let (_, hello) = all_consuming(hello)
            .parse(body)
            .map_err(|_| ClientHelloError::Malformed("a field is longer than its message"))?;
        Ok(Some(hello))
    }

    fn of_sslv2(src: &[u8]) -> Result<Option<Self>, ClientHelloError> {
        if !begins_sslv2(src) {
            return Err(ClientHelloError::Malformed("not a handshake record"));
        }
        // With fewer bytes, it may still be another protocol.
        if src.len() < SSLV2_BEGINNING {
            return Ok(None);
        }
        let header = be_u16::<_, nom::error::Error<_>>(src);
        let Ok((body, len)) = header else {
            return Ok(None);
        };
        // The highest bit means that the header has two bytes and no padding follows.
        let Some(body) = body.get(..usize::from(len & 0x7fff)) else {
            return Ok(None);
        };
        let (_, hello) = sslv2(body)
            .map_err(|_| ClientHelloError::Malformed("a field is longer than its message"))?;
        Ok(Some(hello))
    }
}

impl ClientHelloError {
    /// Returns the record that reports the error to the client.
    pub fn alert(self) -> [u8; 7] {
        // `decode_error`.
        alert(TLS12, 50)
    }
}

/// True if the bytes may begin a ClientHello in the SSLv2 format.
pub(super) fn begins_sslv2(src: &[u8]) -> bool {
    let kind = src.get(2..).unwrap_or_default();
    let kind = kind.get(..2).unwrap_or(kind);
    src.first().is_some_and(|byte| byte & 0x80 != 0) && [CLIENT_HELLO, 3].starts_with(kind)
}

/// Returns a record with a fatal alert.
fn alert(version: u16, description: u8) -> [u8; 7] {
    let [major, minor] = version.to_be_bytes();
    [21, major, minor, 0, 2, 2, description]
}

/// Parses the header of a handshake record; returns the length of its fragment.
fn record(input: &[u8]) -> IResult<&[u8], u16> {
    let (input, _) = verify(byte, |kind| *kind == HANDSHAKE).parse(input)?;
    let (input, _) = verify(be_u16, |version| version >> 8 == 3).parse(input)?;
    verify(be_u16, |len| (1..=MAX_RECORD).contains(len)).parse(input)
}

/// Parses the body of the message (RFC 8446 §4.1.2).
fn hello(input: &[u8]) -> IResult<&[u8], ClientHello> {
    let random = take(32_usize);
    let session = length_data(byte);
    let suites = map_parser(length_data(be_u16), numbers);
    let compression = length_data(byte);
    let (input, (version, _, _, cipher_suites, _)) =
        (be_u16, random, session, suites, compression).parse(input)?;
    let mut hello = ClientHello {
        version,
        cipher_suites,
        extensions: Extensions::default(),
    };
    // The message of a client that predates extensions ends here.
    if let Ok((input, _)) = eof::<_, nom::error::Error<_>>(input) {
        return Ok((input, hello));
    }
    let extension = (be_u16, length_data(be_u16));
    let mut extensions = map_parser(length_data(be_u16), all_consuming(many0(extension)));
    let (input, extensions) = extensions.parse(input)?;
    for (kind, content) in extensions {
        match kind {
            SIGNATURE_ALGORITHMS => hello.extensions.names_signatures = true,
            SUPPORTED_VERSIONS => {
                let versions = map_parser(length_data(byte), numbers);
                let (_, versions) = all_consuming(versions).parse(content)?;
                hello.extensions.versions = Some(versions);
            }
            _ => {}
        }
    }
    Ok((input, hello))
}

/// Parses two-byte numbers up to the end of the input.
fn numbers(input: &[u8]) -> IResult<&[u8], Vec<u16>> {
    all_consuming(many0(be_u16)).parse(input)
}

/// Parses the SSLv2 format (RFC 5246 appendix E.2): suites have three bytes, and those of TLS begin
/// with zero.
fn sslv2(input: &[u8]) -> IResult<&[u8], ClientHello> {
    let (input, (_, version, suites, session, challenge)) =
        (byte, be_u16, be_u16, be_u16, be_u16).parse(input)?;
    let (input, suites) =
        map_parser(take(suites), all_consuming(many0(count(byte, 3)))).parse(input)?;
    let (input, _) = all_consuming((take(session), take(challenge))).parse(input)?;
    let of_tls = |suite: &Vec<u8>| match **suite {
        [0, upper, lower] => Some(u16::from_be_bytes([upper, lower])),
        _ => None,
    };
    let hello = ClientHello {
        version,
        cipher_suites: suites.iter().filter_map(of_tls).collect(),
        extensions: Extensions::default(),
    };
    Ok((input, hello))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a message like those of OpenSSL and old browsers.
    fn message(version: u16, suites: &[u16], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
        body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
        body.extend([1, 0]);
        if !extensions.is_empty() {
            let mut all = Vec::new();
            for (kind, content) in extensions {
                all.extend(kind.to_be_bytes());
                all.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
                all.extend(*content);
            }
            body.extend(u16::try_from(all.len()).unwrap().to_be_bytes());
            body.extend(all);
        }
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[1], &len[1..], &body].concat()
    }

    /// Splits a message into records of up to this length.
    fn records(message: &[u8], len: usize) -> Vec<u8> {
        let record = |part: &[u8]| {
            let len = u16::try_from(part.len()).unwrap().to_be_bytes();
            [&[22, 3, 1], &len[..], part].concat()
        };
        message.chunks(len).flat_map(record).collect()
    }

    fn read(bytes: &[u8]) -> ClientHello {
        ClientHello::read(bytes).unwrap().unwrap()
    }

    #[test]
    fn reads_the_newest_version_of_a_client() {
        let versions = [6, 0x7a, 0x7a, 3, 4, 3, 3];
        let grease_only = [2, 0x7a, 0x7a];
        let signatures = [0, 2, 4, 3];
        for (version, extensions, newest) in [
            (0x0300, &[][..], 0x0300),
            (0x0301, &[], 0x0301),
            (0x0303, &[(13, &signatures[..])], 0x0303),
            // No client names TLS 1.3 in this field.
            (0x0305, &[], 0x0303),
            (0x0303, &[(13, &signatures), (43, &versions)], 0x0304),
            (0x0303, &[(43, &grease_only)], 0),
        ] {
            let bytes = records(&message(version, &[0xc02f, 0x5600, 10], extensions), 9999);
            let hello = read(&bytes);
            assert_eq!(hello.newest(), newest, "{version:x} {extensions:?}");
            assert_eq!(hello.cipher_suites(), [0xc02f, 0x5600, 10]);
            assert!(hello.is_fallback());
            let names = extensions.iter().any(|(kind, _)| *kind == 13);
            assert_eq!(hello.names_signatures(), names);
        }
    }

    #[test]
    fn a_client_hello_is_read_from_records_and_segments_of_any_length() {
        let message = message(0x0303, &[0xc02f], &[(0, &[0; 300]), (13, &[0, 2, 4, 3])]);
        let expected = read(&records(&message, 9999));
        for len in [1, 2, 3, 4, 5, 100, 299] {
            let bytes = records(&message, len);
            for end in 0..bytes.len() {
                assert_eq!(ClientHello::read(&bytes[..end]), Ok(None), "{len} {end}");
            }
            assert_eq!(read(&bytes), expected);
            // Early data follows the message (RFC 8446 §4.2.10).
            assert_eq!(
                read(&[&bytes[..], b"\x17\x03\x03\0\x01x"].concat()),
                expected
            );
        }
    }

    #[test]
    fn the_form_of_sslv2_is_read() {
        let bytes = b"\x80\x2b\x01\x03\x01\0\x12\0\0\0\x10\x07\0\xc0\0\0\x2f\0\0\x0a\x01\0\x80\0\0\x05\0\0\xff\
                      0123456789abcdef";
        for end in 0..bytes.len() {
            assert_eq!(ClientHello::read(&bytes[..end]), Ok(None), "{end}");
        }
        let hello = read(bytes);
        assert_eq!(hello.newest(), 0x0301);
        assert_eq!(hello.cipher_suites(), [0x2f, 0x0a, 5, 0xff]);
        assert!(!hello.names_signatures());
        assert_eq!(hello.alert(70), [21, 3, 1, 0, 2, 2, 70]);
        // A length that does not match the contents.
        let bytes = bytes.map(|byte| if byte == 0x12 { 0x13 } else { byte });
        assert!(ClientHello::read(&bytes).is_err());
    }

    #[test]
    fn bytes_that_are_no_client_hello_are_refused_immediately() {
        let whole = records(&message(0x0303, &[0xc02f], &[(13, &[0, 2, 4, 3])]), 9999);
        let with = |at: usize, byte| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        let other_record = ClientHelloError::Malformed("a record of a wrong type or length");
        let field = ClientHelloError::Malformed("a field is longer than its message");
        for (bytes, expected) in [
            (with(1, 2), other_record),
            (with(3, 0x50), other_record),
            (with(4, 0)[..5].to_vec(), other_record),
            (
                [&records(&whole[5..25], 20)[..], b"\x17\x03\x01\0\x01x"].concat(),
                other_record,
            ),
            (
                with(5, 2)[..6].to_vec(),
                ClientHelloError::Malformed("another message comes first"),
            ),
            (with(6, 1)[..9].to_vec(), ClientHelloError::TooLong),
            (with(43, 99), field),
            (with(45, 3), field),
            (
                b"\x80\0\0\0".to_vec(),
                ClientHelloError::Malformed("not a handshake record"),
            ),
            (
                b"GET / HTTP/1.1".to_vec(),
                ClientHelloError::Malformed("not a handshake record"),
            ),
            (
                b"\x80\x2b\x01\0\x02".to_vec(),
                ClientHelloError::Malformed("not a handshake record"),
            ),
            (
                b"\x16\x03\x01\0\x01\x01".repeat(3000),
                ClientHelloError::TooLong,
            ),
        ] {
            let error = (0..=bytes.len()).find_map(|end| ClientHello::read(&bytes[..end]).err());
            assert_eq!(error, Some(expected), "{bytes:x?}");
        }
        assert_eq!(ClientHelloError::TooLong.alert()[..3], [21, 3, 3]);
    }
}
