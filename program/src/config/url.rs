//! The URLs of servers.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use polysock::upstream::{Template, UpstreamSettings};

use super::reader::Reader;
use crate::flags::server::{any_size, bad_url, reach};

/// Checks the URL of a server, in which `{name}` may be a parameter from the route's path.
pub(super) fn read(text: &str, reader: &Reader) -> Result<String, String> {
    if !text.contains(':') {
        return Err("write a URL, as ws://HOST:PORT or tcp://HOST:PORT".to_owned());
    }
    let url = match text.strip_prefix("unix:") {
        Some(path) if !path.is_empty() => format!("unix:{}", reader.resolve(path).display()),
        _ => text.to_owned(),
    };
    if Template::is_template(&url) {
        // Allowed networks are checked later, when the whole route is known.
        let settings = UpstreamSettings {
            allow: vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())],
            ..any_size()
        };
        Template::parse(&url, settings, None).map_err(|error| bad_url(&error))?;
    } else {
        reach(&url, any_size())?;
    }
    Ok(url)
}

/// The names of the parameters in a template, as `{token}`.
pub(super) fn names(template: &str) -> Vec<&str> {
    let behind = template.split('{').skip(1);
    let names = behind.filter_map(|behind| behind.split_once('}'));
    names.map(|(name, _)| name).collect()
}
