//! Version 1, a line of text (section 2.1).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use bytes::{Buf, BytesMut};
use memchr::memchr;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::char;
use nom::combinator::{all_consuming, map_res};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::{ProxiedEnds, ProxyHeader, ProxyHeaderError, of_one_family};

/// The beginning of the line.
const BEGINNING: &[u8] = b"PROXY ";

/// The longest line with its end, in bytes: `UNKNOWN` with two long IPv6 addresses.
const MAX_LINE: usize = 107;

const MALFORMED: ProxyHeaderError = ProxyHeaderError::Malformed(
    "its line is not PROXY, the family, two addresses and two ports, separated by one space each",
);

pub(super) fn read(src: &mut BytesMut) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let window = src.get(..MAX_LINE).unwrap_or(src);
    let beginning = window.get(..BEGINNING.len()).unwrap_or(window);
    if !BEGINNING.starts_with(beginning) {
        return Err(ProxyHeaderError::Missing);
    }
    let Some(end) = memchr(b'\n', window) else {
        return if window.len() == MAX_LINE {
            Err(ProxyHeaderError::Malformed("its line has no end"))
        } else {
            Ok(None)
        };
    };
    let line = window.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r");
    let line = line.ok_or(ProxyHeaderError::Malformed(
        "its line ends with LF instead of CRLF",
    ))?;
    if line.contains(&b'\r') {
        return Err(ProxyHeaderError::Malformed("its line contains a CR"));
    }
    let ends = ends(line)?;
    src.advance(end.saturating_add(1));
    Ok(Some(ProxyHeader {
        ends,
        secure: false,
    }))
}

fn ends(line: &[u8]) -> Result<ProxiedEnds, ProxyHeaderError> {
    // "the receiver must ignore anything presented before the CRLF": addresses may follow.
    if let Some(rest) = line.strip_prefix(b"PROXY UNKNOWN")
        && matches!(rest, [] | [b' ', ..])
    {
        return Ok(ProxiedEnds::Unknown);
    }
    let (_, ends) = all_consuming(tcp)
        .parse(line)
        .map_err(|_: nom::Err<nom::error::Error<_>>| MALFORMED)?;
    Ok(ends)
}

fn tcp(input: &[u8]) -> IResult<&[u8], ProxiedEnds> {
    let (input, family) =
        preceded(tag(BEGINNING), nom::branch::alt((tag("TCP4"), tag("TCP6")))).parse(input)?;
    let address = |input| {
        let read = |word: &[u8]| {
            let address: IpAddr = parsed(word).ok_or(())?;
            let is_of_family = address.is_ipv4() == (family == b"TCP4");
            is_of_family.then_some(address).ok_or(())
        };
        map_res(word, read).parse(input)
    };
    let port = |input| {
        // "Heading zeroes are not permitted."
        let read = |word: &[u8]| match word {
            [b'0', _, ..] => Err(()),
            [first, ..] if first.is_ascii_digit() => parsed::<u16>(word).ok_or(()),
            _ => Err(()),
        };
        map_res(word, read).parse(input)
    };
    let (input, (source, destination, source_port, destination_port)) =
        (address, address, port, port).parse(input)?;
    Ok((
        input,
        ProxiedEnds::Tcp {
            source: SocketAddr::new(source, source_port),
            destination: SocketAddr::new(destination, destination_port),
        },
    ))
}

/// Parses a space and the word after it.
fn word(input: &[u8]) -> IResult<&[u8], &[u8]> {
    preceded(char(' '), take_while1(|byte: u8| byte != b' ')).parse(input)
}

fn parsed<T: FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

pub(super) fn write(header: &ProxyHeader, dst: &mut BytesMut) {
    let ProxiedEnds::Tcp {
        source,
        destination,
    } = header.ends
    else {
        dst.extend_from_slice(b"PROXY UNKNOWN\r\n");
        return;
    };
    let (from, to) = of_one_family(source, destination);
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    let line = format!(
        "PROXY {family} {from} {to} {} {}\r\n",
        source.port(),
        destination.port()
    );
    dst.extend_from_slice(line.as_bytes());
}
