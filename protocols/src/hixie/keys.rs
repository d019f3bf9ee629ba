//! The keys of hixie-76, in which a number is mixed with spaces and noise, and the digest that
//! proves that the server has read them.

use md5::{Digest, Md5};

/// Returns the number of a key: its digits read as one number, divided by its spaces (draft 76,
/// "Reading the client's opening handshake").
pub(super) fn key_number(key: &[u8]) -> Result<u32, &'static str> {
    let mut digits = key.iter().filter(|byte| byte.is_ascii_digit()).peekable();
    digits.peek().ok_or("a key without digits")?;
    let number = digits.try_fold(0u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit & 0x0f))
    });
    // A client chooses the number so that it fits 32 bits before the division.
    let number = number.and_then(|number| u32::try_from(number).ok());
    let number = number.ok_or("a key number over 32 bits")?;
    // No spaces are "a symptom of a cross-protocol attack" in the draft's words.
    let spaces = key.iter().fold(0u32, |count, byte| {
        count.saturating_add(u32::from(*byte == b' '))
    });
    match (number.checked_div(spaces), number.checked_rem(spaces)) {
        (Some(quotient), Some(0)) => Ok(quotient),
        (Some(_), _) => Err("a key number that its spaces do not divide"),
        (None, _) => Err("a key without spaces"),
    }
}

/// Returns the sixteen bytes that end the answer.
pub(super) fn digest([first, second]: [u32; 2], body: [u8; 8]) -> [u8; 16] {
    let md5 = Md5::new().chain_update(first.to_be_bytes());
    md5.chain_update(second.to_be_bytes())
        .chain_update(body)
        .finalize()
        .into()
}

/// A key: its number multiplied by a count of spaces, written among that many spaces and noise.
pub(super) struct Key {
    pub(super) text: String,
    pub(super) number: u32,
}

impl Key {
    /// Generates a key (draft 76, "Sending the client's opening handshake", steps 16 to 23).
    pub(super) fn draw(entropy: fn(&mut [u8])) -> Self {
        let mut random = [0; 48];
        entropy(&mut random);
        let mut random = random.into_iter();
        let mut below = |limit: u32| {
            let wide = u32::from(random.next().unwrap_or_default()) << 8;
            (wide | u32::from(random.next().unwrap_or_default()))
                .checked_rem(limit)
                .unwrap_or(0)
        };
        let spaces = below(12).saturating_add(1);
        let bits = below(0x1_0000) << 16 | below(0x1_0000);
        let number = bits
            .checked_rem(u32::MAX.div_euclid(spaces).saturating_add(1))
            .unwrap_or(0);
        let mut text = number.saturating_mul(spaces).to_string();
        let mut insert =
            |text: &mut String, what: char, within: std::ops::RangeInclusive<usize>| {
                let places = u32::try_from(within.clone().count()).unwrap_or(1);
                text.insert(within.start().saturating_add(below(places) as usize), what);
            };
        // The noise, from 21-2F and 3A-7E, is inserted first, so that no space is first or last.
        for noise in ['!', 'k', '/', ':', '~', 'Z'] {
            let end = text.len();
            insert(&mut text, noise, 0..=end);
        }
        for _ in 0..spaces {
            let last = text.len().saturating_sub(1);
            insert(&mut text, ' ', 1..=last);
        }
        Self { text, number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generated_key_decodes_to_its_number() {
        fn entropy(bytes: &mut [u8]) {
            use std::sync::atomic::{AtomicU32, Ordering};
            static STATE: AtomicU32 = AtomicU32::new(1);
            for byte in bytes {
                let next = STATE
                    .load(Ordering::Relaxed)
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                STATE.store(next, Ordering::Relaxed);
                *byte = next.to_be_bytes()[0];
            }
        }
        for _ in 0..2000 {
            let key = Key::draw(entropy);
            assert_eq!(
                key_number(key.text.as_bytes()),
                Ok(key.number),
                "{}",
                key.text
            );
            assert_eq!(key.text, key.text.trim());
        }
    }

    #[test]
    fn refuses_keys_that_no_client_makes() {
        for (key, error) in [
            ("a b", "a key without digits"),
            ("1234", "a key without spaces"),
            ("86 753 09", "a key number that its spaces do not divide"),
            ("4294967296 x", "a key number over 32 bits"),
            ("99999999999999999999999 9", "a key number over 32 bits"),
            ("1\t2", "a key without spaces"),
        ] {
            assert_eq!(key_number(key.as_bytes()), Err(error), "{key}");
        }
        assert_eq!(key_number(b"0042 94967295"), Ok(u32::MAX));
        assert_eq!(key_number(b"x 0"), Ok(0));
    }
}
