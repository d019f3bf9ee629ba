//! The hash of a password.

use std::str::FromStr;

use argon2::{Argon2, PasswordHash as ArgonHash, PasswordVerifier};
use bcrypt::HashParts;
use sha_crypt::ShaCrypt;

/// The hash of a password, as `htpasswd`, `mkpasswd` and `argon2` write it.
#[derive(Clone)]
pub(super) enum PasswordHash {
    Bcrypt(String),
    Argon2id(Box<ArgonHash>),
    ShaCrypt(String),
}

/// The fix for hashes that are not accepted.
const MEND: &str = "create a new hash with `htpasswd -B`";

impl PasswordHash {
    /// Parses a hash.
    ///
    /// # Errors
    ///
    /// The text is no valid hash, or its kind can be brute-forced quickly. The error says how to
    /// fix it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
        if starts(&["$2y$", "$2b$", "$2a$"]) {
            return match HashParts::from_str(text) {
                Ok(_) => Ok(Self::Bcrypt(text.to_owned())),
                Err(_) => Err(format!("the bcrypt hash is not valid: {MEND}")),
            };
        }
        if starts(&["$argon2id$"]) {
            let hash = ArgonHash::new(text).ok();
            let hash = hash.filter(|hash| hash.salt.is_some() && hash.hash.is_some());
            let hash = hash.filter(|hash| argon2::Params::try_from(hash).is_ok());
            return hash
                .map(|hash| Self::Argon2id(Box::new(hash)))
                .ok_or_else(|| "the argon2id hash is not valid: `argon2 SALT -id -e`".to_owned());
        }
        if starts(&["$argon2"]) {
            return Err("of argon2, only argon2id is supported: `argon2 SALT -id -e`".to_owned());
        }
        if starts(&["$5$", "$6$"]) {
            return match is_sha_crypt(text) {
                true => Ok(Self::ShaCrypt(text.to_owned())),
                false => Err("the SHA-crypt hash is not valid: `mkpasswd -m sha-512`".to_owned()),
            };
        }
        let kind = if starts(&["{SHA}", "{SSHA}"]) {
            "SHA-1 can be brute-forced quickly"
        } else if starts(&["$apr1$", "$1$"]) {
            "MD5 can be brute-forced quickly"
        } else {
            "the password is in plain text or in an unknown hash format"
        };
        Err(format!("{kind}: {MEND}"))
    }

    /// True if this is the password. The check is slow by design, and compares in constant time.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Argon2id(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
            Self::ShaCrypt(hash) => ShaCrypt::default()
                .verify_password(password, &**hash)
                .is_ok(),
        }
    }
}

/// True for `$5$` or `$6$`, an optional `rounds=N$`, a salt, `$` and a hash of the right length.
fn is_sha_crypt(text: &str) -> bool {
    let mut fields = text.split('$').skip(1);
    let len = match fields.next() {
        Some("5") => 43,
        _ => 86,
    };
    let mut fields = fields.peekable();
    if let Some(rounds) = fields
        .peek()
        .and_then(|field| field.strip_prefix("rounds="))
    {
        let rounds = rounds.parse().ok();
        if rounds
            .and_then(|rounds| sha_crypt::Params::new(rounds).ok())
            .is_none()
        {
            return false;
        }
        fields.next();
    }
    let has_salt = fields.next().is_some_and(|salt| !salt.is_empty());
    let has_hash = fields.next().is_some_and(|hash| hash.len() == len);
    has_salt && has_hash && fields.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by crypt(3) of libxcrypt, `openssl passwd -5` and `-6`, and argon2-cffi.
    const HASHES: &[&str] = &[
        "$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW",
        "$5$abcdefgh$FWXdh6oXOJQkX7oAcP02d0Gnxjct6ra8Fwv29U9RIN2",
        "$6$abcdefgh$CkjGkP7IIgZVUCNlt.Vi53LOYJLXZ5KzdpzEYCj01XGruA1hxZYJqccTU2zz68oJwAGsd1iPty5F7dHIatUTy/",
        "$6$rounds=1000$saltsalt$/IiX/CoEcxCZ9SksEXnbjfCT1LGvD4z5OpJkaFYl/T37OAwuKZ8I8BixDhruhPLkw6lS7dw/6wQWgQnGo7lLg/",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$ixpwwKn9ahZABsFdSCp89Bjv1gR+y5qCxswm94TuOzs",
    ];

    #[test]
    fn hashes_of_other_programs_are_verified() {
        for text in HASHES {
            let hash = PasswordHash::read(text).unwrap();
            assert!(hash.verify(b"open sesame"), "{text}");
            for other in ["open sesam", "", "open sesame "] {
                assert!(!hash.verify(other.as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn an_invalid_or_weak_hash_is_refused_with_advice() {
        let no_bcrypt = "the bcrypt hash is not valid: create a new hash with `htpasswd -B`";
        let no_crypt = "the SHA-crypt hash is not valid: `mkpasswd -m sha-512`";
        for (text, expected) in [
            (
                "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
                "SHA-1 can be brute-forced quickly: create a new hash with `htpasswd -B`",
            ),
            (
                "$apr1$x$yyyyyyyyyyyyyyyyyyyyyy",
                "MD5 can be brute-forced quickly: create a new hash with `htpasswd -B`",
            ),
            (
                "secret",
                "the password is in plain text or in an unknown hash format: create a new hash with `htpasswd -B`",
            ),
            (
                "",
                "the password is in plain text or in an unknown hash format: create a new hash with `htpasswd -B`",
            ),
            ("$2y$05$short", no_bcrypt),
            (
                "$argon2i$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
                "of argon2, only argon2id is supported: `argon2 SALT -id -e`",
            ),
            (
                "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHQ",
                "the argon2id hash is not valid: `argon2 SALT -id -e`",
            ),
            (
                "$argon2id$v=19$m=16,t=0,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
                "the argon2id hash is not valid: `argon2 SALT -id -e`",
            ),
            ("$6$salt", no_crypt),
            ("$6$salt$short", no_crypt),
            (
                "$5$rounds=7$salt$4444444444444444444444444444444444444444443",
                no_crypt,
            ),
        ] {
            let problem = PasswordHash::read(text).err();
            assert_eq!(problem.as_deref(), Some(expected), "{text}");
        }
    }
}
