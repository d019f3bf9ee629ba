//! Why servers cannot be met by TLS.

use std::path::PathBuf;

use thiserror::Error;

use super::pem::PemError;

/// Why servers cannot be met by TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientTlsError {
    /// A file is of no use.
    #[error(transparent)]
    File(#[from] PemError),
    /// A certificate of the file of authorities cannot be one of an authority.
    #[error("certificate {number} in {} is no authority's: {reason}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Which it is of those in the file, from 1 on.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// The system has no authorities, by whom certificates could be verified.
    #[error(
        "no certificate of a server can be verified, for the system has no authorities{}: install its \
         package `ca-certificates`, or name a file of authorities as `ca`",
        because(reason.as_deref())
    )]
    NoAuthorities {
        /// What went wrong while they were read.
        reason: Option<String>,
    },
    /// Where older versions than TLS 1.2 are spoken, certificates are always verified.
    #[cfg(feature = "legacy-tls")]
    #[error(
        "where a server may speak less than TLS 1.2, its certificate is always verified: name its own, or that of \
         its authority, as `ca`"
    )]
    UnverifiedOld,
    /// What TLS takes is something else.
    #[error("TLS: {0}")]
    Unusable(String),
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" ({reason})"))
}
