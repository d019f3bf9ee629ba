//! Why there is no TLS with a server.

use std::io;
use std::time::{Duration, SystemTime};

use httpdate::fmt_http_date;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, OtherError};
use thiserror::Error;

use super::client_error::ClientTlsError;
use super::key_pin::KeyPin;
use super::verifier::Unverified;

/// Why there is no TLS with a server, or none any more.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// No server can be met.
    #[error(transparent)]
    Settings(#[from] ClientTlsError),
    /// What it says is no TLS.
    #[error("it speaks no TLS on that port")]
    NoTls,
    /// It went away in the middle of the TLS handshake.
    #[error("it hung up in the TLS handshake: maybe it speaks no TLS on that port")]
    HungUp,
    /// Its certificate does not show that it is the server that is meant.
    #[error("its certificate {0}")]
    Certificate(String),
    /// It ended TLS with an alert (RFC 8446 §6.2).
    #[error("it refuses: {0}")]
    Alert(String),
    /// It has no version, or no way to encrypt, that we have.
    #[error("it does not speak TLS 1.2 or 1.3 as it is spoken here: {0}")]
    Incompatible(String),
    /// What it says cannot be read.
    #[error("it says what is no TLS: {0}")]
    Message(String),
    /// It broke TLS.
    #[error("TLS: {0}")]
    Protocol(String),
    /// The transport failed.
    #[error("{0}")]
    Io(io::Error),
}

impl TlsError {
    /// What has failed in a TLS handshake.
    pub(super) fn of_handshake(error: io::Error) -> Self {
        match Self::within(&error) {
            // The first bytes of a message say what it is.
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

    /// The key of a server is none of those that are pinned.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn other_key(pin: KeyPin) -> Self {
        Self::Certificate(other_key(pin))
    }

    /// What TLS has to say of an error, where it is one of TLS.
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
    format!("has another key than those that are pinned, with the pin {pin}")
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("has expired on {}", date(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "is not valid before {}: maybe the clock of this machine is wrong",
            date(*not_before)
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "is not for {}, but for {}: where that is meant, give it as `server_name`",
            expected.to_str(),
            names(presented)
        ),
        CertificateError::UnknownIssuer => {
            "is signed by no authority that is known here: name the file \
                                            of the one that has signed it as `ca`"
                .to_owned()
        }
        CertificateError::Other(OtherError(other)) => match other.downcast_ref::<Unverified>() {
            Some(Unverified::Pin(pin)) => other_key(*pin),
            Some(Unverified::Authority(pin)) => format!(
                "is that of an authority, which no server has: where it is meant, pin it with \
                 `pin = \"{pin}\"` and `verify = false`"
            ),
            None if other.to_string().starts_with("UnsupportedCertVersion") => {
                "is of X.509 version 1: issue one of version 3, with the server's name in \
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
            ": it wants a client certificate (`certificate`, `key`), or another"
        }
        AlertDescription::HandshakeFailure => {
            ": it has no cipher suite in common, or wants a client certificate (`certificate`, `key`)"
        }
        AlertDescription::ProtocolVersion => {
            ": it speaks neither TLS 1.2 nor 1.3, or not the least \
                                              version that is asked for"
        }
        AlertDescription::UnrecognisedName => {
            ": it does not have this name; `server_name` gives another"
        }
        _ => "",
    };
    format!("{alert:?}{mend}")
}

/// The names of a certificate, as rustls tells them.
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
    time.map_or_else(|| "a day far off".to_owned(), fmt_http_date)
}
