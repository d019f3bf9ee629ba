//! A cache of passwords that were verified recently.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use polysock_protocols::Rejection;

use super::hashing::hashed;
use super::passwords::Users;
use crate::random::entropy;

/// A cache of passwords that were verified recently, so that not every request of a page hashes
/// them again. The cache holds HMACs of them under a random key, and no passwords.
pub(super) struct Verified {
    key: Key,
    known: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    /// The time at which each was verified.
    digests: HashMap<[u8; DIGEST], Instant>,
    /// The file content that the digests belong to. They are not valid for any other.
    users: Weak<Users>,
}

/// The time for which a password counts as verified.
const TIME: Duration = Duration::from_secs(60);

/// The maximum number of digests that are kept.
const MAX_KNOWN: usize = 4096;

/// The length of an HMAC-SHA256, in bytes.
const DIGEST: usize = 32;

impl Verified {
    pub(super) fn new() -> Self {
        let mut bytes = [0; DIGEST];
        entropy(&mut bytes);
        Self {
            key: Key::new(HMAC_SHA256, &bytes),
            known: Mutex::default(),
        }
    }

    /// True if this is the password of this user.
    ///
    /// # Errors
    ///
    /// The password cannot be checked now.
    pub(super) async fn check(
        &self,
        users: Arc<Users>,
        user: &str,
        password: Vec<u8>,
    ) -> Result<bool, Rejection> {
        let digest = self.digest(&[user.as_bytes(), &password]);
        if self.lock().has(&users, &digest) {
            return Ok(true);
        }
        let [a, b, c, d, e, f, g, h, ..] = self.digest(&[user.as_bytes()]);
        let pick = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        let name = user.to_owned();
        let of = Arc::clone(&users);
        let is_right = hashed(move || of.verify(&name, &password, pick)).await?;
        if is_right {
            self.lock().add(&users, digest);
        }
        Ok(is_right)
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; DIGEST] {
        let mut context = Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_ne_bytes());
            context.update(part);
        }
        let mut digest = [0; DIGEST];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cached {
    fn has(&self, users: &Arc<Users>, digest: &[u8; DIGEST]) -> bool {
        let when = self.digests.get(digest);
        self.users.as_ptr() == Arc::as_ptr(users) && when.is_some_and(|when| when.elapsed() < TIME)
    }

    fn add(&mut self, users: &Arc<Users>, digest: [u8; DIGEST]) {
        if self.users.as_ptr() != Arc::as_ptr(users) || self.digests.len() >= MAX_KNOWN {
            self.digests.clear();
            self.users = Arc::downgrade(users);
        }
        self.digests.insert(digest, Instant::now());
    }
}

/// Shows nothing of the content.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verified_password_counts_for_some_time_and_for_its_file() {
        let verified = Verified::new();
        let (users, others) = (Arc::new(Users::default()), Arc::new(Users::default()));
        let digest = verified.digest(&[b"ann", b"x"]);
        assert_ne!(digest, verified.digest(&[b"an", b"nx"]));
        assert_ne!(digest, Verified::new().digest(&[b"ann", b"x"]));
        assert!(!verified.lock().has(&users, &digest));
        verified.lock().add(&users, digest);
        assert!(verified.lock().has(&users, &digest));
        assert!(!verified.lock().has(&others, &digest));
        let old = Instant::now().checked_sub(TIME).unwrap();
        verified.lock().digests.insert(digest, old);
        assert!(!verified.lock().has(&users, &digest));
    }
}
