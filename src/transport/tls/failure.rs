//! The errors of TLS with a server.

use std::io;
use std::time::{Duration, SystemTime};

use httpdate::fmt_http_date;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, OtherError};
use thiserror::Error;

use super::client_error::ClientTlsError;
use super::key_pin::KeyPin;
use super::verifier::Unverified;

/// The reason why TLS with a server failed, or ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The settings allow no connection to any server.
    #[error(transparent)]
    Settings(#[from] ClientTlsError),
    /// The server's answer is not TLS.
    #[error("the server does not speak TLS on this port")]
    NoTls,
    /// The server disconnected during the TLS handshake.
    #[error(
        "the server closed the connection in the TLS handshake: perhaps it does not speak TLS on this port"
    )]
    HungUp,
    /// The certificate does not prove that this is the intended server.
    #[error("the server's certificate {0}")]
    Certificate(String),
    /// The server ended TLS with an alert (RFC 8446 §6.2).
    #[error("the server refuses the connection: {0}")]
    Alert(String),
    /// The server has no version or cipher suite in common with us.
    #[error("the server has no TLS version or cipher suite in common: {0}")]
    Incompatible(String),
    /// A message of the server cannot be parsed.
    #[error("the server sent an invalid TLS message: {0}")]
    Message(String),
    /// The server violated the TLS protocol.
    #[error("TLS: {0}")]
    Protocol(String),
    /// The transport failed.
    #[error("{0}")]
    Io(io::Error),
}

impl TlsError {
    /// Converts an error of a TLS handshake.
    pub(super) fn of_handshake(error: io::Error) -> Self {
        match Self::within(&error) {
            // An unparsable first message means that the server does not speak TLS.
            Some(Self::Message(_)) => Self::NoTls,
            Some(told) => told,
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe => Self::HungUp,
                _ => Self::Io(error),
            },
        }
    }

    /// Returns the error for a server whose key is not one of the pinned keys.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn other_key(pin: KeyPin) -> Self {
        Self::Certificate(other_key(pin))
    }

    /// Converts an error of rustls; `None` for other errors.
    pub(crate) fn within(error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        Some(match error {
            Error::InvalidMessage(message) => Self::Message(format!("{message:?}")),
            Error::InvalidCertificate(error) => Self::Certificate(of_certificate(error)),
            Error::AlertReceived(alert) => Self::Alert(of_alert(*alert)),
            Error::PeerIncompatible(reason) => Self::Incompatible(format!("{reason:?}")),
            other => Self::Protocol(other.to_string()),
        })
    }
}

fn other_key(pin: KeyPin) -> String {
    format!("has a key that is not pinned: its pin is {pin}")
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("has expired on {}", date(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "is not valid before {}: perhaps the clock of this machine is wrong",
            date(*not_before)
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "is not for {}, but for {}: if that is the right server, set `server_name`",
            expected.to_str(),
            names(presented)
        ),
        CertificateError::UnknownIssuer => {
            "is signed by an unknown authority: set `ca` to the file with the certificate of that \
             authority"
                .to_owned()
        }
        CertificateError::Other(OtherError(other)) => match other.downcast_ref::<Unverified>() {
            Some(Unverified::Pin(pin)) => other_key(*pin),
            Some(Unverified::Authority(pin)) => format!(
                "is an authority's and not a server's: if it is the right one, set `pin = \
                 \"{pin}\"` and `verify = false`"
            ),
            None if other.to_string().starts_with("UnsupportedCertVersion") => {
                "has X.509 version 1: issue one of version 3, with the server's name in \
                 subjectAltName"
                    .to_owned()
            }
            None => format!("cannot be verified: {other}"),
        },
        other => format!("cannot be verified: {other}"),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    let mend = match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            ": it requires a client certificate (`certificate`, `key`), or a different one"
        }
        AlertDescription::HandshakeFailure => {
            ": it has no cipher suite in common, or requires a client certificate (`certificate`, `key`)"
        }
        AlertDescription::ProtocolVersion => {
            ": it supports neither TLS 1.2 nor 1.3, or not the required minimum version"
        }
        AlertDescription::UnrecognisedName => {
            ": it does not have this name; set another with `server_name`"
        }
        _ => "",
    };
    format!("{alert:?}{mend}")
}

/// Formats the names of a certificate, which rustls reports in debug form.
fn names(presented: &[String]) -> String {
    let name = |name: &String| {
        let dns = name.strip_prefix("DnsName(\"");
        let dns = dns.and_then(|name| name.strip_suffix("\")"));
        dns.unwrap_or(name).to_owned()
    };
    match presented {
        [] => "no name at all".to_owned(),
        names => {
            let names: Vec<String> = names.iter().map(name).collect();
            names.join(", ")
        }
    }
}

fn date(time: UnixTime) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    time.map_or_else(|| "a date out of range".to_owned(), fmt_http_date)
}
