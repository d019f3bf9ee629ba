//! The hosts that a route is for.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::Host;

/// The hosts that a route is for: `example.com` for this one, `*.example.com` for those with one label
/// before it. The port counts for nothing, nor does the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// In lower case, as it is on the wire.
    name: String,
    /// Whether one label stands before it.
    is_wildcard: bool,
}

/// Why a text is no pattern of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostPatternError {
    /// A star stands elsewhere.
    #[error("`*` stands for the first label, and for nothing else: *.example.com")]
    Wildcard,
    /// There is a port.
    #[error("a host is named without its port: a listener has ports, a route has hosts")]
    Port,
    /// It is no name and no address.
    #[error("this is no host: write example.com, *.example.com, 192.0.2.1 or [2001:db8::1]")]
    Host,
}

impl HostPattern {
    /// Whether a `Host` field names one of them.
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

    /// The one host that it is for, where it is one.
    pub(super) fn exact(&self) -> Option<&str> {
        (!self.is_wildcard).then_some(&*self.name)
    }
}

/// What a `Host` field names, without port and final dot.
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
    fn says_what_is_no_pattern() {
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
