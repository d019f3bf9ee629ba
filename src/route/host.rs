//! The pattern for the hosts of a route.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::Host;

/// A pattern of hosts: `example.com` matches this host, `*.example.com` matches hosts with one
/// label in front of it. Port and case are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// The host in lower case, as it is sent on the wire.
    name: String,
    /// True if one label must stand in front of the name.
    is_wildcard: bool,
}

/// The reason why a text is not a host pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostPatternError {
    /// `*` is anywhere but in the place of the first label of a domain name.
    #[error("`*` can only replace the first label: *.example.com")]
    Wildcard,
    /// A port is given.
    #[error("a host must not have a port: ports belong to listeners")]
    Port,
    /// The text is neither a host name nor an address.
    #[error("this is not a host: write example.com, *.example.com, 192.0.2.1 or [2001:db8::1]")]
    Host,
}

impl HostPattern {
    /// True if the value of a `Host` field matches.
    pub fn matches(&self, host: &[u8]) -> bool {
        let host = name_of(host);
        let before = host.len().checked_sub(self.name.len());
        let Some((before, name)) = before.and_then(|at| host.split_at_checked(at)) else {
            return false;
        };
        let is_one_label = |label: &[u8]| matches!(label, [label @ .., b'.'] if !label.is_empty() && !label.contains(&b'.'));
        name.eq_ignore_ascii_case(self.name.as_bytes())
            && match self.is_wildcard {
                true => is_one_label(before),
                false => before.is_empty(),
            }
    }

    /// The host, if the pattern matches only one; `None` for a wildcard.
    pub(super) fn exact(&self) -> Option<&str> {
        (!self.is_wildcard).then_some(&*self.name)
    }
}

/// Returns the host of a `Host` field, without the port and a final dot.
pub(super) fn name_of(host: &[u8]) -> &[u8] {
    let end = match host {
        [b'[', ..] => host.iter().position(|byte| *byte == b']').map(|at| at + 1),
        _ => host.iter().position(|byte| *byte == b':'),
    };
    let name = host.get(..end.unwrap_or(host.len())).unwrap_or(host);
    name.strip_suffix(b".").unwrap_or(name)
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let (name, is_wildcard) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(HostPatternError::Wildcard);
        }
        let has_port = !name.starts_with('[') && name.contains(':') || name.contains("]:");
        if has_port {
            return Err(HostPatternError::Port);
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let host = Host::parse(name).map_err(|_| HostPatternError::Host)?;
        if is_wildcard && !matches!(host, Host::Domain(_)) {
            return Err(HostPatternError::Wildcard);
        }
        Ok(Self {
            name: host.to_string(),
            is_wildcard,
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_wildcard { "*." } else { "" };
        write!(f, "{star}{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_a_host_whatever_its_port_and_case() {
        for (pattern, hosts, others) in [
            (
                "Example.com",
                &[
                    "example.com",
                    "EXAMPLE.com:8080",
                    "example.com.",
                    "example.com.:80",
                ][..],
                &["a.example.com", "example.co", "xexample.com", "", ":80"][..],
            ),
            (
                "*.example.com",
                &["a.example.com", "A.Example.Com:1"],
                &[
                    "example.com",
                    ".example.com",
                    "a.b.example.com",
                    "axexample.com",
                ],
            ),
            (
                "bücher.example",
                &["xn--bcher-kva.example"],
                &["bucher.example"],
            ),
            ("[::1]", &["[::1]", "[::1]:8080"], &["[::2]", "::1"]),
            ("192.0.2.1", &["192.0.2.1:80"], &["192.0.2.10"]),
        ] {
            let pattern: HostPattern = pattern.parse().unwrap();
            for host in hosts {
                assert!(pattern.matches(host.as_bytes()), "{pattern} {host}");
            }
            for host in others {
                assert!(!pattern.matches(host.as_bytes()), "{pattern} {host}");
            }
        }
    }

    #[test]
    fn names_the_error_of_an_invalid_pattern() {
        for (text, error) in [
            ("*", HostPatternError::Wildcard),
            ("a.*.example", HostPatternError::Wildcard),
            ("*.[::1]", HostPatternError::Wildcard),
            ("*.192.0.2.1", HostPatternError::Wildcard),
            ("example.com:80", HostPatternError::Port),
            ("[::1]:80", HostPatternError::Port),
            ("", HostPatternError::Host),
            ("a b", HostPatternError::Host),
            ("a/b", HostPatternError::Host),
        ] {
            assert_eq!(text.parse::<HostPattern>(), Err(error), "{text}");
        }
    }
}
