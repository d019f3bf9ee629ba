//! Users, and the hashes of their passwords.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytestring::ByteString;

use super::hash::PasswordHash;
use crate::route::policy::auth::FileError;
use crate::route::policy::auth::reloaded_file::ReloadedFile;

/// Users and the hashes of their passwords, from a file in the format of `htpasswd`: lines such as
/// `ann:$2y$…`, empty lines, and comments that begin with `#`.
///
/// The hashes are those of bcrypt (`$2y$`, `htpasswd -B`), argon2id (`$argon2id$`) and SHA-crypt
/// (`$5$`, `$6$`, `mkpasswd -m sha-512`). The file is read again when it has changed, at most once
/// a second. If the changed file has an invalid line, the previous users stay. If the file no
/// longer exists, there are no users.
#[derive(Clone, Debug)]
pub struct Passwords(ReloadedFile<Users>);

/// The users in a file.
#[derive(Default)]
pub(super) struct Users {
    hashes: HashMap<ByteString, usize>,
    /// The hashes in the order of the file.
    all: Vec<PasswordHash>,
}

impl Passwords {
    /// Reads the file; blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has an invalid line.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        ReloadedFile::read(path, Users::parse).map(Self)
    }

    pub(super) async fn get(&self) -> Arc<Users> {
        self.0.get().await
    }
}

impl Users {
    /// True if this is the password of this user. The check is slow by design. For an unknown user
    /// it takes as long as for a known one, and always as long as for the same one, so that the
    /// time does not reveal which users exist. `pick` is an unpredictable number, always the same
    /// for one name.
    pub(super) fn verify(&self, user: &str, password: &[u8], pick: u64) -> bool {
        let known = self.hashes.get(user).copied();
        let other = pick.checked_rem(self.all.len() as u64).unwrap_or_default();
        let index = known.unwrap_or(usize::try_from(other).unwrap_or_default());
        let hash = self.all.get(index);
        let is_right = hash.is_some_and(|hash| hash.verify(password));
        is_right && known.is_some()
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut users = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let problem = |problem: &str| format!("line {number}: {problem}");
            let (user, hash) = line
                .split_once(':')
                .ok_or_else(|| problem("not USER:HASH, as `htpasswd -B` writes"))?;
            let hash = PasswordHash::read(hash).map_err(|mend| problem(&mend))?;
            let known = users.hashes.insert(user.into(), users.all.len());
            if known.is_some() {
                return Err(problem("the user occurs twice: remove one of the lines"));
            }
            users.all.push(hash);
        }
        Ok(users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = "$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";

    #[test]
    fn only_users_of_the_file_are_verified() {
        let users = Users::parse(format!("# staff\n\nann:{ANN}\r\n").as_bytes()).unwrap();
        for (user, password, expected) in [
            ("ann", "open sesame", true),
            ("ann", "other", false),
            ("bob", "open sesame", false),
            ("", "open sesame", false),
            ("ANN", "open sesame", false),
        ] {
            for pick in [0, 1, u64::MAX] {
                let is_right = users.verify(user, password.as_bytes(), pick);
                assert_eq!(is_right, expected, "{user} {password}");
            }
        }
        assert!(!Users::default().verify("ann", b"", 7));
    }

    #[test]
    fn an_error_names_the_invalid_line() {
        for (text, expected) in [
            ("ann", "line 1: not USER:HASH, as `htpasswd -B` writes"),
            (
                &*format!("ann:{ANN}\n#\nann:{ANN}"),
                "line 3: the user occurs twice: remove one of the lines",
            ),
            (
                "\n\nbob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
                "line 3: SHA-1 can be brute-forced quickly: create a new hash with `htpasswd -B`",
            ),
        ] {
            assert_eq!(
                Users::parse(text.as_bytes()).err().as_deref(),
                Some(expected)
            );
        }
        assert!(Users::parse(b"a\xff:x").is_err());
    }
}
