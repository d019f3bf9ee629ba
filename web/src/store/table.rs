//! Database tables that contain sessions.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;

/// A table that contains sessions: that of Symfony's `PdoSessionHandler`, or that of Django's
/// `backends.db`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTable {
    pub(super) layout: Layout,
    /// The quoted name.
    pub(super) name: Arc<str>,
}

/// The columns of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `sess_id`, `sess_data`, `sess_lifetime`, `sess_time`.
    Symfony,
    /// `session_key`, `session_data`, `expire_date`.
    Django,
}

/// The error for an invalid table name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not the name of a table: use letters, digits and `_`, as in `sessions`, or with a schema `app.sessions`"
)]
pub struct TableNameError(String);

/// The largest `sess_lifetime` that Symfony treats as a duration and not as a point in time: ten
/// years, in seconds.
const LONGEST_LIFETIME: i64 = 315_576_000;

impl SessionTable {
    /// Creates the table `sessions`, with the columns of Symfony's
    /// `PdoSessionHandler::createTable`.
    pub fn symfony() -> Self {
        Self {
            layout: Layout::Symfony,
            name: "\"sessions\"".into(),
        }
    }

    /// Creates the table `django_session`.
    pub fn django() -> Self {
        Self {
            layout: Layout::Django,
            name: "\"django_session\"".into(),
        }
    }

    /// Sets the name.
    ///
    /// # Errors
    ///
    /// The name or a part of it is empty, it contains characters other than letters, digits and
    /// `_`, or more than one dot.
    pub fn named(self, name: &str) -> Result<Self, TableNameError> {
        let parts: Vec<&str> = name.split('.').collect();
        let is_part = |part: &&str| {
            let is_such = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            !part.is_empty() && part.bytes().all(is_such)
        };
        if parts.len() > 2 || !parts.iter().all(is_part) {
            return Err(TableNameError(name.to_owned()));
        }
        let quoted: Vec<String> = parts.iter().map(|part| format!("\"{part}\"")).collect();
        Ok(Self {
            name: quoted.join(".").into(),
            ..self
        })
    }
}

impl fmt::Display for SessionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.replace('"', ""))
    }
}

/// Whether a row of Symfony has expired, by its `sess_lifetime` and its `sess_time`.
pub(super) fn is_over(lifetime: i64, time: i64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    is_over_at(i64::try_from(now).unwrap_or(i64::MAX), lifetime, time)
}

/// The same at the given time, in seconds since 1970.
fn is_over_at(now: i64, lifetime: i64, time: i64) -> bool {
    // Since Symfony 4.4, `sess_lifetime` is the second at which the session ends.
    let end = match lifetime > LONGEST_LIFETIME {
        true => lifetime,
        false => time.saturating_add(lifetime),
    };
    end < now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_expires_at_a_timestamp_or_after_a_lifetime() {
        for (lifetime, time, expected) in [
            (1_700_000_000, 0, false),
            (1_699_999_999, 1_800_000_000, true),
            (1440, 1_700_000_000 - 1440, false),
            (1440, 1_700_000_000 - 1441, true),
            (i64::MAX, i64::MAX, false),
            (0, 0, true),
        ] {
            let is_over = is_over_at(1_700_000_000, lifetime, time);
            assert_eq!(is_over, expected, "{lifetime} {time}");
        }
    }

    #[test]
    fn a_table_name_has_only_plain_characters() {
        let named = |name: &str| SessionTable::symfony().named(name).map(|table| table.name);
        assert_eq!(named("app.s_1"), Ok("\"app\".\"s_1\"".into()));
        for name in ["", "a b", "a\"", "a.b.c", ".a", "ä"] {
            assert!(named(name).is_err(), "{name}");
        }
    }
}
