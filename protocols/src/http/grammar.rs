//! The grammar of heads (RFC 9110 and 9112), with nom.

use nom::bytes::complete::{tag, take_until, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1};
use nom::combinator::{map_opt, map_res, opt, recognize};
use nom::sequence::terminated;
use nom::{IResult, Parser};

use crate::error::Malformed;

/// `METHOD target HTTP/1.x` or `HTTP/1.x status [reason]`, with its line end.
pub(super) fn start_line(input: &[u8]) -> IResult<&[u8], [&[u8]; 3]> {
    let response = |input| {
        let (input, (version, _, status, reason)) = (
            http_version,
            char(' '),
            recognize(take_while_m_n(3, 3, |byte: u8| byte.is_ascii_digit())),
            recognize(opt((char(' '), take_while(is_value_byte)))),
        )
            .parse(input)?;
        Ok((
            input,
            [version, status, reason.strip_prefix(b" ").unwrap_or(reason)],
        ))
    };
    let request = |input| {
        let (input, (method, _, target, _, version)) = (
            take_while1(is_token_byte),
            char(' '),
            take_while1(|byte: u8| byte.is_ascii_graphic() || byte >= 0x80),
            char(' '),
            http_version,
        )
            .parse(input)?;
        Ok((input, [method, target, version]))
    };
    let (input, parts) = if input.starts_with(b"HTTP/") {
        response(input)?
    } else {
        request(input)?
    };
    let (input, _) = line_end(input)?;
    Ok((input, parts))
}

fn http_version(input: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize((
        tag("HTTP/1."),
        take_while_m_n(1, 1, |byte: u8| byte.is_ascii_digit()),
    ))
    .parse(input)
}

/// `name: value`, without the white space around the value (RFC 9112 §5). Fails on a line that
/// begins with white space, such as a folded one, and on a space before the colon.
pub(super) fn field(input: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    let (input, (name, _, value)) =
        (take_while1(is_token_byte), char(':'), value_line).parse(input)?;
    Ok((input, (name, value.trim_ascii())))
}

/// The text up to the next line end, if a value may contain it.
fn value_line(input: &[u8]) -> IResult<&[u8], &[u8]> {
    map_opt(terminated(take_until("\n"), char('\n')), value).parse(input)
}

fn value(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_suffix(b"\r").unwrap_or(line);
    // Every byte is checked even after a bad one: this allows the compiler to vectorise.
    let is_clean = |is_clean, byte: &u8| is_clean & is_value_byte(*byte);
    value.iter().fold(true, is_clean).then_some(value)
}

/// Returns what is wrong with a line that is not a field.
pub(super) fn breach(line: &[u8]) -> Malformed {
    let name = line.iter().take_while(|byte| is_token_byte(**byte)).count();
    match (name, line.get(name..).unwrap_or_default()) {
        (0, [b' ' | b'\t', ..]) => Malformed::Folded,
        (1.., [b':', ..]) => Malformed::Control,
        (1.., [b' ' | b'\t', rest @ ..]) if rest.trim_ascii_start().starts_with(b":") => {
            Malformed::SpaceBeforeColon
        }
        _ => Malformed::FieldLine,
    }
}

fn line_end(input: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize((opt(char('\r')), char('\n'))).parse(input)
}

/// True if `text` is a token (RFC 9110 §5.6.2), like the name of a subprotocol (RFC 6455 §4.1).
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// True if a token may contain this byte (RFC 9110 §5.6.2).
#[expect(
    clippy::indexing_slicing,
    reason = "there is an entry for each value of a byte"
)]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut rest: &[u8] = b"!#$%&'*+-.^_`|~0123456789\
            abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        while let [byte, others @ ..] = rest {
            table[*byte as usize] = true;
            rest = others;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

/// True if a field value may contain this byte: visible characters, space, tab, and bytes above
/// ASCII (RFC 9110 §5.5).
pub(super) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// True if `value` is `host[:port]` (RFC 9110 §7.2) with a port from 1 to 65535, or an empty one
/// (RFC 3986 §3.2.3), which means the scheme's default.
pub fn is_host(value: &[u8]) -> bool {
    fn port(input: &[u8]) -> IResult<&[u8], u16> {
        map_res(digit1, |digits| {
            std::str::from_utf8(digits)
                .map_err(drop)?
                .parse::<u16>()
                .map_err(drop)
        })
        .parse(input)
    }
    let name_byte = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'$'..=b'+' | b'-' | b'.' | b';' | b'=' | b'_' | b'~'
            )
    };
    let address_byte = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'-' | b'.' | b':' | b'_' | b'~')
    };
    let literal = recognize((
        char::<_, nom::error::Error<&[u8]>>('['),
        take_while1(address_byte),
        char(']'),
    ));
    let name = take_while1(name_byte);
    let parsed = (
        nom::branch::alt((literal, name)),
        opt((char(':'), opt(port))),
    )
        .parse(value);
    matches!(parsed, Ok(([], (_, None | Some((_, None | Some(1..)))))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_a_token() {
        for token in ["chat", "v1.ocpp", "a!#$%&'*+-.^_`|~9"] {
            assert!(is_token(token), "{token}");
        }
        for other in ["", "a b", "a,b", "a/b", "\"a\"", "a\t", "é"] {
            assert!(!is_token(other), "{other}");
        }
    }

    #[test]
    fn names_the_error_of_a_malformed_field() {
        for (line, expected) in [
            (" b\r\n", Malformed::Folded),
            ("a : b\r\n", Malformed::SpaceBeforeColon),
            ("a: \0\r\n", Malformed::Control),
            ("a: b\rc\r\n", Malformed::Control),
            ("a b\r\n", Malformed::FieldLine),
            (": b\r\n", Malformed::FieldLine),
            ("(a): b\r\n", Malformed::FieldLine),
        ] {
            assert!(field(line.as_bytes()).is_err(), "{line:?}");
            assert_eq!(breach(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn recognises_a_host() {
        for good in [
            "a",
            "a.b:80",
            "127.0.0.1:65535",
            "[::1]",
            "[::1]:8080",
            "xn--a_b",
            "a.example:",
            "[::1]:",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":", ":80", "a::", "a:0", "a:65536", "a:0x50", "a b", "[::1", "a/b", "a@b",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
