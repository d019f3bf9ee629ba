//! The name of a server.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types;
use thiserror::Error;

/// The name of a server, as in a certificate: a DNS name, or an IP address.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerName(pub(super) pki_types::ServerName<'static>);

/// The error of a text that is not a [`ServerName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a valid server name: write a DNS name or an IP address")]
pub struct ServerNameError;

impl FromStr for ServerName {
    type Err = ServerNameError;

    /// Reads a name or an address. An address may be in brackets, as in a URL.
    fn from_str(text: &str) -> Result<Self, ServerNameError> {
        let bracketed = text.strip_prefix('[');
        let bracketed = bracketed.and_then(|text| text.strip_suffix(']'));
        let name = pki_types::ServerName::try_from(bracketed.unwrap_or(text));
        match name.map_err(|_| ServerNameError)? {
            pki_types::ServerName::DnsName(_) if bracketed.is_some() => Err(ServerNameError),
            name => Ok(Self(name.to_owned())),
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_str())
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read() {
        for (text, expected) in [
            ("a.example", Some("a.example")),
            ("a_b.example", Some("a_b.example")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("", None),
            ("a..example", None),
            ("a.example:443", None),
            ("*.example", None),
            ("[a.example]", None),
            ("b\u{fc}cher.example", None),
        ] {
            let name = text.parse::<ServerName>().ok();
            let name = name.map(|name| name.to_string());
            assert_eq!(name.as_deref(), expected, "{text}");
        }
    }
}
