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
    #[error("certificate {number} in {} is no authority's: {reason}", path.display())]
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
        "no certificate of a server can be verified, for the system has no authorities{}: install its \
         package `ca-certificates`, or name a file of authorities as `ca`",
        because(reason.as_deref())
    )]
    NoAuthorities {
        /// The error that occurred when they were read; `None` if there was none.
        reason: Option<String>,
    },
    /// Verification is disabled, but is mandatory with versions older than TLS 1.2.
    #[cfg(feature = "legacy-tls")]
    #[error(
        "where a server may speak less than TLS 1.2, its certificate is always verified: name its own, or that of \
         its authority, as `ca`"
    )]
    UnverifiedOld,
    /// The TLS implementation rejects the settings.
    #[error("TLS: {0}")]
    Unusable(String),
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" ({reason})"))
}
