//! The URLs of servers.

use super::reader::Reader;
use crate::flags::server::{any_size, reach};

/// Reads the URL of a server, in which `{name}` may stand for a segment of a route's path.
pub(super) fn read(text: &str, reader: &Reader) -> Result<String, String> {
    if !text.contains(':') {
        return Err("write a URL, as ws://HOST:PORT or tcp://HOST:PORT".to_owned());
    }
    let url = match text.strip_prefix("unix:") {
        Some(path) if !path.is_empty() => format!("unix:{}", reader.resolve(path).display()),
        _ => text.to_owned(),
    };
    // Whatever a segment may be: a part of a path or a host, a port, or a host and a port.
    let mut problems = ["a", "1", "localhost:1"].map(|value| {
        let url = fill(&url, value);
        reach(&url, any_size()).err()
    });
    match problems.iter().any(Option::is_none) {
        true => Ok(url),
        false => Err(problems
            .first_mut()
            .and_then(Option::take)
            .unwrap_or_default()),
    }
}

/// The names in a template, as `{token}`.
pub(super) fn names(template: &str) -> Vec<&str> {
    let behind = template.split('{').skip(1);
    let names = behind.filter_map(|behind| behind.split_once('}'));
    names.map(|(name, _)| name).collect()
}

/// A template with a value for each of its names.
fn fill(template: &str, value: &str) -> String {
    let mut filled = template.to_owned();
    for name in names(template) {
        filled = filled.replace(&format!("{{{name}}}"), value);
    }
    filled
}
