//! The health checks of upstream servers.

use std::ops::RangeInclusive;

use polysock::protocols::hide_secrets;
use polysock::upstream::HealthCheck;
use serde_json::json;

use super::form::{List, Maybe, Word, quoted};
use super::key::Key;
use super::words::{duration, number};

/// The keys of a health check.
pub(super) fn keys() -> Vec<Key<HealthCheck>> {
    vec![
        Key::new(
            "interval",
            duration(),
            |health: &mut HealthCheck| &mut health.interval,
            "The interval between two checks of a server.",
        ),
        Key::new(
            "timeout",
            duration(),
            |health| &mut health.timeout,
            "The time that a server has to answer a check.",
        ),
        Key::new(
            "path",
            Maybe(path()),
            |health: &mut HealthCheck| &mut health.path,
            "The path that is requested with GET. Default: no request; the server must accept a connection.",
        )
        .example("\"/health\""),
        Key::new(
            "status",
            List(statuses()),
            |health| &mut health.status,
            "The status codes with which a check passes.",
        ),
        Key::new(
            "rise",
            number(),
            |health| &mut health.rise,
            "The number of checks in a row that must pass before a server counts as up.",
        ),
        Key::new(
            "fall",
            number(),
            |health| &mut health.fall,
            "The number of checks in a row that must fail before a server counts as down.",
        ),
    ]
}

/// The form of a request path with its query.
fn path() -> Word<String> {
    Word {
        read: |text| {
            let is_path = |c: char| c.is_ascii_graphic() && c != '#';
            match text.starts_with('/') && text.chars().all(is_path) {
                true => Ok(text.to_owned()),
                false => Err("write a path, as /health".to_owned()),
            }
        },
        write: |path| Some(quoted(&hide_secrets(path))),
        schema: || json!({ "type": "string", "pattern": "^/|\\$\\{" }),
    }
}

/// The form of a range of status codes: `200`, or `200-399`.
fn statuses() -> Word<RangeInclusive<u16>> {
    Word {
        read: |text| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let code = |text: &str| {
                let code = text.parse().ok();
                code.filter(|code| (100..=599).contains(code))
            };
            let codes = code(first).zip(code(last));
            let codes = codes.filter(|(first, last)| first <= last);
            let (first, last) = codes.ok_or("write a status code or a range, as 200-399")?;
            Ok(first..=last)
        },
        write: |statuses| {
            let (first, last) = (statuses.start(), statuses.end());
            Some(match first == last {
                true => first.to_string(),
                false => quoted(&format!("{first}-{last}")),
            })
        },
        schema: || json!({ "type": ["string", "integer"] }),
    }
}
