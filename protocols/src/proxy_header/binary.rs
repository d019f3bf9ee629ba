//! Version 2, the binary format (section 2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use nom::bytes::complete::{tag, take};
use nom::combinator::{all_consuming, map};
use nom::multi::{fold_many0, length_data};
use nom::number::complete::{be_u16, be_u32, be_u128, u8 as byte};
use nom::{IResult, Parser};

use super::{ProxiedEnds, ProxyHeader, ProxyHeaderError, of_one_family};

/// "The protocol signature": no line-based protocol begins with it.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The length of signature, version and command, family, and the length field.
const FIXED: usize = 16;

/// The length of the path of a Unix socket, padded with zeros.
const UNIX_PATH: usize = 108;

/// The version and the commands, `\x2` in the upper half of the byte.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// The families, and the transport in the lower half of the byte.
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

/// The type of the field about TLS, and its flag that the client uses TLS (section 2.2.5).
const TYPE_SSL: u8 = 0x20;
const CLIENT_SSL: u8 = 0x01;

/// The value if no client certificate was verified (anything but zero).
const NOT_VERIFIED: u32 = 1;

pub(super) fn read(src: &mut BytesMut) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let beginning = src.get(..SIGNATURE.len()).unwrap_or(src);
    if !SIGNATURE.starts_with(beginning) {
        return Err(ProxyHeaderError::Missing);
    }
    // The bytes after the signature are checked as they arrive, so that errors are found early.
    if let Some(version) = src.get(SIGNATURE.len())
        && !matches!(*version, LOCAL | PROXY)
    {
        return Err(ProxyHeaderError::Malformed(
            "its version or command is unknown",
        ));
    }
    let Ok((_, (command, family, len))) = fixed(src) else {
        return Ok(None);
    };
    let len = usize::from(len);
    let whole = len.saturating_add(FIXED);
    if whole > ProxyHeader::MAX {
        return Err(ProxyHeaderError::TooLong {
            len: whole,
            limit: ProxyHeader::MAX,
        });
    }
    let Some(block) = src.get(FIXED..whole) else {
        return Ok(None);
    };
    let header = match command {
        // "discard the protocol block including the family which is ignored".
        LOCAL => ProxyHeader::default(),
        _ => read_block(family, block)?,
    };
    src.advance(whole);
    Ok(Some(header))
}

/// Parses command, family and length.
fn fixed(input: &[u8]) -> IResult<&[u8], (u8, u8, u16)> {
    let (input, (_, command, family, len)) = (tag(SIGNATURE), byte, byte, be_u16).parse(input)?;
    Ok((input, (command, family, len)))
}

/// Parses the addresses and the fields after them.
fn read_block(family: u8, block: &[u8]) -> Result<ProxyHeader, ProxyHeaderError> {
    let ends: fn(&[u8]) -> IResult<&[u8], ProxiedEnds> = match family {
        // Without a family, the end of the addresses is unknown.
        UNSPECIFIED => return Ok(ProxyHeader::default()),
        TCP4 => tcp4,
        TCP6 => tcp6,
        UNIX_STREAM => unix,
        _ => {
            return Err(ProxyHeaderError::Malformed(
                "its family is not one of a byte stream",
            ));
        }
    };
    let (fields, ends) = ends(block).map_err(|_: nom::Err<nom::error::Error<_>>| {
        ProxyHeaderError::Malformed("it is shorter than the addresses of its family")
    })?;
    let (_, secure) =
        all_consuming(is_secure)
            .parse(fields)
            .map_err(|_: nom::Err<nom::error::Error<_>>| {
                ProxyHeaderError::Malformed("a field is longer than the header")
            })?;
    Ok(ProxyHeader { ends, secure })
}

fn tcp4(input: &[u8]) -> IResult<&[u8], ProxiedEnds> {
    let address = |input| map(be_u32, Ipv4Addr::from_bits).parse(input);
    let (input, (source, destination, source_port, destination_port)) =
        (address, address, be_u16, be_u16).parse(input)?;
    let ends = ProxiedEnds::Tcp {
        source: SocketAddr::new(source.into(), source_port),
        destination: SocketAddr::new(destination.into(), destination_port),
    };
    Ok((input, ends))
}

fn tcp6(input: &[u8]) -> IResult<&[u8], ProxiedEnds> {
    let address = |input| map(be_u128, Ipv6Addr::from_bits).parse(input);
    let (input, (source, destination, source_port, destination_port)) =
        (address, address, be_u16, be_u16).parse(input)?;
    let ends = ProxiedEnds::Tcp {
        source: SocketAddr::new(source.into(), source_port),
        destination: SocketAddr::new(destination.into(), destination_port),
    };
    Ok((input, ends))
}

fn unix(input: &[u8]) -> IResult<&[u8], ProxiedEnds> {
    let path = |input| {
        map(take(UNIX_PATH), |path: &[u8]| {
            // An abstract name begins with a zero; trailing zeros are padding.
            let filling = path.iter().rev().take_while(|byte| **byte == 0).count();
            let len = path.len().saturating_sub(filling);
            Bytes::copy_from_slice(path.get(..len).unwrap_or_default())
        })
        .parse(input)
    };
    let (input, (source, destination)) = (path, path).parse(input)?;
    let ends = ProxiedEnds::Unix {
        source,
        destination,
    };
    Ok((input, ends))
}

/// Parses the fields; returns true if one says that the client uses TLS.
fn is_secure(input: &[u8]) -> IResult<&[u8], bool> {
    let field = (byte, length_data(be_u16));
    let says_so = |kind, value: &[u8]| {
        kind == TYPE_SSL && value.first().is_some_and(|client| client & CLIENT_SSL != 0)
    };
    fold_many0(
        field,
        || false,
        |secure, (kind, value)| secure || says_so(kind, value),
    )
    .parse(input)
}

pub(super) fn write(header: &ProxyHeader, dst: &mut BytesMut) {
    let mut block = BytesMut::new();
    let family = match &header.ends {
        ProxiedEnds::Tcp {
            source,
            destination,
        } => {
            let (from, to) = of_one_family(*source, *destination);
            for end in [from, to] {
                match end {
                    IpAddr::V4(end) => block.put_slice(&end.octets()),
                    IpAddr::V6(end) => block.put_slice(&end.octets()),
                }
            }
            block.put_u16(source.port());
            block.put_u16(destination.port());
            if from.is_ipv4() { TCP4 } else { TCP6 }
        }
        ProxiedEnds::Unix {
            source,
            destination,
        } if source.len().max(destination.len()) <= UNIX_PATH => {
            for path in [source, destination] {
                block.put_slice(path);
                block.put_bytes(0, UNIX_PATH.saturating_sub(path.len()));
            }
            UNIX_STREAM
        }
        ProxiedEnds::Unknown | ProxiedEnds::Unix { .. } => UNSPECIFIED,
    };
    let command = if family == UNSPECIFIED { LOCAL } else { PROXY };
    if header.secure && command == PROXY {
        block.put_u8(TYPE_SSL);
        block.put_u16(5);
        block.put_u8(CLIENT_SSL);
        block.put_u32(NOT_VERIFIED);
    }
    dst.put_slice(SIGNATURE);
    dst.put_u8(command);
    dst.put_u8(family);
    dst.put_u16(u16::try_from(block.len()).unwrap_or_default());
    dst.put_slice(&block);
}
