//! The errors of TLS settings for clients.

use std::path::PathBuf;

use thiserror::Error;

use super::pem::PemError;

/// The reason why no server can be reached over TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientTlsError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] PemError),
    /// A certificate in the file of authorities is not usable as an authority's.
    #[error("certificate {number} in {} is not an authority's: {reason}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// The position of the certificate in the file, from 1 on.
        number: usize,
        /// The error.
        reason: String,
    },
    /// The system has no authorities with which certificates could be verified.
    #[error(
        "servers cannot be verified, because the system has no CA certificates{}: install its \
         package `ca-certificates`, or set `ca` to a file of CA certificates",
        because(reason.as_deref())
    )]
    NoAuthorities {
        /// The error that occurred when they were read; `None` if there was none.
        reason: Option<String>,
    },
    /// Verification is disabled, but is mandatory with versions older than TLS 1.2.
    #[cfg(feature = "legacy-tls")]
    #[error(
        "a server that may use a version before TLS 1.2 is always verified: set `ca` to its \
         certificate, or to that of its authority"
    )]
    UnverifiedOld,
    /// The TLS implementation rejects the settings.
    #[error("TLS: {0}")]
    Unusable(String),
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" ({reason})"))
}
