//! `Sec-WebSocket-Extensions` (RFC 6455 §9.1): parsed, and declined, as none is spoken yet.

use nom::branch::alt;
use nom::bytes::complete::{is_not, take_while1};
use nom::character::complete::{anychar, char, space0};
use nom::combinator::{all_consuming, opt, recognize};
use nom::multi::{many0_count, separated_list0};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use crate::error::HandshakeError;
use crate::http::{Head, is_token_byte};

/// Checks the syntax of every offer. An empty value is an empty list: libwebsockets' client
/// sends one.
///
/// # Errors
///
/// [`HandshakeError::Extensions`] for what is no list of offers; an unknown offer is none.
pub(crate) fn parse(head: &Head) -> Result<(), HandshakeError> {
    for value in head.values("sec-websocket-extensions") {
        all_consuming(offers)
            .parse(value)
            .map_err(|_| HandshakeError::Extensions)?;
    }
    Ok(())
}

fn offers(input: &[u8]) -> IResult<&[u8], usize> {
    let separator = (space0, char(','), space0);
    let offer = recognize((take_while1(is_token_byte), many0_count(parameter)));
    let (input, offers) =
        delimited(space0, separated_list0(separator, offer), space0).parse(input)?;
    Ok((input, offers.len()))
}

fn parameter(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let value = alt((take_while1(is_token_byte), quoted_string));
    recognize((
        space0,
        char(';'),
        space0,
        take_while1(is_token_byte),
        opt(preceded((space0, char('='), space0), value)),
    ))
    .parse(input)
}

/// Linear in its input, whatever that is (CVE-2020-7662 was not).
fn quoted_string(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let text = alt((recognize((char('\\'), anychar)), is_not("\"\\")));
    recognize((char('"'), many0_count(text), char('"'))).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_an_offer_from_a_syntax_error() {
        for good in [
            "",
            " ",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=\"10\", x-webkit-deflate-frame",
            "constructor",
            "a; b=\"c\\\"d\"; e",
            "a,b , c;d=e",
        ] {
            assert!(matches!(offers(good.as_bytes()), Ok(([], _))), "{good}");
        }
        for bad in ["a;", "a; b=", "a b", ";", "a; b=\"c", "a,,b", "a; b=\"\\"] {
            assert!(!matches!(offers(bad.as_bytes()), Ok(([], _))), "{bad}");
        }
    }
}
