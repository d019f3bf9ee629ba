//! HTTP Basic authentication: users and passwords (RFC 7617).

mod hash;
mod hashing;
mod passwords;
mod verified;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::Rejection;

pub use self::passwords::Passwords;
use self::verified::Verified;
use super::Realm;
use super::challenge::credentials;
use crate::route::policy::{Admitted, Policy, Visitor};
use crate::transport::Authenticated;

/// Admits clients that know the password of a user (RFC 7617). Others receive 401 with
/// `WWW-Authenticate`, whether the user exists or not, and after the same time.
///
/// Hashing has its own threads, half as many as there are processors. If too many requests wait for
/// them, the next receive 503. A correct password is not hashed again for a minute, because every
/// request of a page includes it.
#[derive(Debug)]
pub struct Basic {
    passwords: Passwords,
    realm: Realm,
    verified: Verified,
}

/// The longest password, in bytes: bcrypt reads 72, and the cost of other hashes grows with it.
const MAX_PASSWORD: usize = 512;

/// The longest user name, in bytes.
const MAX_USER: usize = 256;

/// Base64 with padding (RFC 4648 §3.2), which some clients leave out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Basic {
    /// Creates a policy that admits clients with these passwords.
    pub fn new(passwords: Passwords, realm: Realm) -> Self {
        Self {
            passwords,
            realm,
            verified: Verified::new(),
        }
    }

    /// Returns the user whose password the client knows.
    async fn user(&self, visitor: Visitor<'_>) -> Result<ByteString, Rejection> {
        let Some(encoded) = credentials(visitor, "Basic")? else {
            return Err(self.refusal("a user and a password are needed"));
        };
        let (user, password) = read(encoded)
            .ok_or_else(|| self.refusal("the credentials are not a user and a password"))?;
        let passwords = self.passwords.get().await;
        let is_right = self.verified.check(passwords, &user, password).await?;
        match is_right {
            true => Ok(user),
            false => Err(self.refusal("no such user and password")),
        }
    }

    fn refusal(&self, reason: &str) -> Rejection {
        self.realm.challenge("Basic", ", charset=\"UTF-8\"", reason)
    }
}

impl Policy for Basic {
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>> {
        Box::pin(async move {
            let user = self.user(visitor).await?;
            Ok(Admitted {
                authenticated: Some(Authenticated::new(Some(user))),
                ..Admitted::default()
            })
        })
    }
}

/// Decodes a user and a password (RFC 7617 §2); `None` if the text is not valid.
fn read(encoded: &str) -> Option<(ByteString, Vec<u8>)> {
    // Four characters for three bytes.
    if encoded.len() > (MAX_USER + MAX_PASSWORD + 1).div_ceil(3) * 4 {
        return None;
    }
    let decoded = BASE64.decode(encoded).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = decoded.split_at_checked(colon)?;
    let (user, password) = (std::str::from_utf8(user).ok()?, password.get(1..)?);
    let is_long = user.len() > MAX_USER || password.len() > MAX_PASSWORD;
    // A NUL would end a password for some hashes.
    let is_odd = user.contains(char::is_control) || password.contains(&0);
    (!is_long && !is_odd).then(|| (user.into(), password.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_ends_at_the_first_colon_and_invalid_credentials_are_none() {
        let known = |user: &str, password: &str| {
            Some((ByteString::from(user), password.as_bytes().to_vec()))
        };
        for (text, expected) in [
            ("ann:a:b", known("ann", "a:b")),
            (":x", known("", "x")),
            ("ann:", known("ann", "")),
            ("\u{e4}nn:\u{20ac}", known("\u{e4}nn", "\u{20ac}")),
            ("ann", None),
            ("a\nb:x", None),
            ("ann:a\0b", None),
        ] {
            assert_eq!(read(&BASE64.encode(text)), expected, "{text}");
        }
        let unpadded = BASE64.encode("ann:ab");
        assert_eq!(read(unpadded.trim_end_matches('=')), known("ann", "ab"));
        let long = |user: usize, password: usize| {
            BASE64.encode(format!("{}:{}", "u".repeat(user), "p".repeat(password)))
        };
        assert!(read(&long(MAX_USER, MAX_PASSWORD)).is_some());
        assert!(read(&long(MAX_USER + 1, 1)).is_none());
        assert!(read(&long(1, MAX_PASSWORD + 1)).is_none());
        for encoded in ["", "%%%%", "YW5u\u{e4}", &"A".repeat(1 << 20)] {
            assert_eq!(read(encoded), None);
        }
        assert_eq!(read(&BASE64.encode(b"a\xff:b")), None);
    }
}
