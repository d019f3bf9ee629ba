//! `Sec-WebSocket-Extensions` (RFC 6455 §9.1), and the extensions `permessage-deflate` (RFC 7692)
//! and `deflate-frame`, also by the name `x-webkit-deflate-frame`.
//!
//! Both set RSV1 in compressed frames and leave out the `00 00 ff ff` that ends a flush. They
//! differ in the unit of compression, a message or a frame, and in the negotiation.
//! `deflate-stream`, which the drafts named, is declined like any unknown extension.

mod agreed;
mod deflate;
mod deflate_frame;
mod history;
mod negotiation;
mod permessage_deflate;
mod streams;

use nom::branch::alt;
use nom::bytes::complete::{is_not, take_while1};
use nom::character::complete::{anychar, char, space0};
use nom::combinator::{all_consuming, map, opt, recognize};
use nom::multi::{many0, many0_count, many1_count, separated_list0};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

pub(crate) use self::agreed::Agreed;
pub(crate) use self::deflate::{Deflate, Deflated, Inflated};
pub(crate) use self::negotiation::{accept, choose, offer};

use crate::error::HandshakeError;
use crate::http::{Head, is_token_byte};

const FIELD: &str = "sec-websocket-extensions";

/// An extension with its parameters, as offered or accepted.
#[derive(Debug, PartialEq, Eq)]
struct Extension<'a> {
    name: &'a [u8],
    parameters: Vec<Parameter<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Parameter<'a> {
    name: &'a [u8],
    value: Option<Vec<u8>>,
}

/// Returns every extension that a head lists, in order. An empty value is an empty list: the client
/// of libwebsockets sends one.
fn parse(head: &Head) -> Result<Vec<Extension<'_>>, HandshakeError> {
    let mut all = Vec::new();
    for value in head.values(FIELD) {
        let (_, listed) = all_consuming(extensions)
            .parse(value)
            .map_err(|_| HandshakeError::Extensions)?;
        all.extend(listed);
    }
    Ok(all)
}

/// Parses a list of extensions. Empty elements are ignored (RFC 9110 §5.6.1.2).
fn extensions(input: &[u8]) -> IResult<&[u8], Vec<Extension<'_>>> {
    let commas = || many0_count((char(','), space0));
    let separator = (space0, many1_count((char(','), space0)));
    let extension = map(
        (take_while1(is_token_byte), many0(parameter)),
        |(name, parameters)| Extension { name, parameters },
    );
    delimited(
        (space0, commas()),
        separated_list0(separator, extension),
        (space0, commas()),
    )
    .parse(input)
}

fn parameter(input: &[u8]) -> IResult<&[u8], Parameter<'_>> {
    let value = alt((
        map(take_while1(is_token_byte), <[u8]>::to_vec),
        quoted_string,
    ));
    let name = preceded((space0, char(';'), space0), take_while1(is_token_byte));
    map(
        (name, opt(preceded((space0, char('='), space0), value))),
        |(name, value)| Parameter { name, value },
    )
    .parse(input)
}

/// Parses a quoted string, in time linear in its length (CVE-2020-7662 was not).
fn quoted_string(input: &[u8]) -> IResult<&[u8], Vec<u8>> {
    let text = alt((recognize((char('\\'), anychar)), is_not("\"\\")));
    let (input, text) =
        delimited(char('"'), recognize(many0_count(text)), char('"')).parse(input)?;
    let mut is_escaped = false;
    let plain = text.iter().copied().filter(|byte| {
        is_escaped = *byte == b'\\' && !is_escaped;
        !is_escaped
    });
    Ok((input, plain.collect()))
}

impl Parameter<'_> {
    /// Returns the value as a number of window bits: 8 to 15, in decimal without leading zeros (RFC
    /// 7692 §7.1.2).
    fn bits(&self) -> Option<u8> {
        match self.value.as_deref()? {
            [digit @ b'8'..=b'9'] => Some(digit.wrapping_sub(b'0')),
            [b'1', digit @ b'0'..=b'5'] => Some(digit.wrapping_sub(b'0').saturating_add(10)),
            _ => None,
        }
    }

    /// Sets a flag; `None` if it is already set or the parameter has a value.
    fn set(&self, flag: &mut bool) -> Option<()> {
        let first = !std::mem::replace(flag, true);
        (first && self.value.is_none()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_an_offer_from_a_syntax_error() {
        for good in [
            "",
            " ",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=\"10\", x-webkit-deflate-frame",
            "constructor",
            "a; b=\"c\\\"d\"; e",
            "a,b , c;d=e",
            "a,,b",
            "a, ",
            "a ,",
            " , ,a; b ,, , c,",
            ",",
        ] {
            assert!(matches!(extensions(good.as_bytes()), Ok(([], _))), "{good}");
        }
        for bad in ["a;", "a; b=", "a b", ";", "a; b=\"c", "a; ,b", "a; b=\"\\"] {
            assert!(!matches!(extensions(bad.as_bytes()), Ok(([], _))), "{bad}");
        }
    }

    #[test]
    fn ignores_empty_elements() {
        let (rest, listed) = extensions(b", a; b ,, c,").unwrap();
        let names: Vec<_> = listed.iter().map(|extension| extension.name).collect();
        assert_eq!((rest, &names[..]), (&b""[..], &[&b"a"[..], b"c"][..]));
    }

    #[test]
    fn reads_parameters_with_and_without_quotes() {
        let (_, listed) = extensions(br#"a ; b = "1\\\"0" ;c,d; e=10"#).unwrap();
        let parameter = |name, value: Option<&[u8]>| Parameter {
            name,
            value: value.map(<[u8]>::to_vec),
        };
        let a = vec![
            parameter(&b"b"[..], Some(br#"1\"0"#)),
            parameter(b"c", None),
        ];
        let d = vec![parameter(b"e", Some(b"10"))];
        let extension = |name, parameters| Extension { name, parameters };
        assert_eq!(listed, [extension(b"a", a), extension(b"d", d)]);
    }

    #[test]
    fn reads_window_bits_in_one_way() {
        let bits = |value: &str| {
            let value = Some(value.as_bytes().to_vec());
            Parameter { name: b"x", value }.bits()
        };
        for number in 8..=15 {
            assert_eq!(bits(&number.to_string()), Some(number));
        }
        for bad in ["", "7", "16", "08", "015", "+9", "9 ", "1", "100", "0x9"] {
            assert_eq!(bits(bad), None, "{bad}");
        }
    }
}
