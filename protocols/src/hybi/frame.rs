//! The frame header that all HyBi drafts and RFC 6455 §5.2 share.
//!
//! ```text
//!      0               1               2 …
//!     +-+-+-+-+-------+-+-------------+-------------------------------+
//!     |L|R|R|R| opcode|T| length      | 16 or 64 bits of length       |
//!     +-+-+-+-+-------+-+-------------+-------------------------------+
//! ```
//!
//! `L` is FIN, or MORE with the opposite meaning in hybi-01 to -03; `T` is MASK, or a fourth
//! reserved bit before hybi-07.

use nom::bits::bits;
use nom::bits::streaming::{bool, take};
use nom::number::streaming::{be_u16, be_u64};
use nom::{IResult, Parser};

/// The header of a frame, without its masking key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) first_bit: bool,
    pub(crate) reserved: u8,
    pub(crate) opcode: u8,
    pub(crate) top_bit: bool,
    pub(crate) len: u64,
}

/// The longest header, in bytes.
pub(crate) const MAX_HEADER: usize = 10;

impl Header {
    /// Parses a header and returns it with its length in bytes; `None` if bytes are missing.
    pub(crate) fn parse(input: &[u8]) -> Option<(Self, usize)> {
        let (rest, header) = header(input).ok()?;
        Some((header, input.len().saturating_sub(rest.len())))
    }

    /// Writes the header in its shortest form and returns the number of bytes written.
    pub(crate) fn write(&self, dst: &mut [u8; MAX_HEADER]) -> usize {
        let [first, second, extended @ ..] = dst;
        *first = u8::from(self.first_bit) << 7 | self.reserved << 4 | self.opcode;
        let top = u8::from(self.top_bit) << 7;
        let [.., high, low] = self.len.to_be_bytes();
        match self.len {
            0..=125 => {
                *second = top | low;
                2
            }
            126..=0xffff => {
                *second = top | 126;
                let [a, b, ..] = extended;
                (*a, *b) = (high, low);
                4
            }
            _ => {
                *second = top | 127;
                *extended = self.len.to_be_bytes();
                10
            }
        }
    }
}

fn header(input: &[u8]) -> IResult<&[u8], Header> {
    let (input, (first_bit, reserved, opcode, top_bit, len)) =
        bits::<_, _, nom::error::Error<(&[u8], usize)>, _, _>((
            bool,
            take(3usize),
            take(4usize),
            bool,
            take(7usize),
        ))
        .parse(input)?;
    let (input, len) = match len {
        126u8 => be_u16.map(u64::from).parse(input)?,
        127 => be_u64.parse(input)?,
        len => (input, u64::from(len)),
    };
    Ok((
        input,
        Header {
            first_bit,
            reserved,
            opcode,
            top_bit,
            len,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_parses() {
        for len in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, u64::MAX] {
            let header = Header {
                first_bit: true,
                reserved: 4,
                opcode: 0xa,
                top_bit: false,
                len,
            };
            let mut bytes = [0; MAX_HEADER];
            let taken = header.write(&mut bytes);
            assert_eq!(Header::parse(&bytes[..taken]), Some((header, taken)));
            for end in 0..taken {
                assert_eq!(Header::parse(&bytes[..end]), None);
            }
        }
    }

    #[test]
    fn takes_a_length_in_a_longer_form_than_it_needs() {
        let (header, taken) = Header::parse(&[0x81, 0xfe, 0, 5]).unwrap();
        assert_eq!((header.len, header.top_bit, taken), (5, true, 4));
    }
}
