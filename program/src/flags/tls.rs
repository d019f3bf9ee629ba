//! The TLS flags of listeners.

use std::path::PathBuf;

use clap::Args;
/// The oldest accepted TLS version.
#[cfg(feature = "tls")]
pub(crate) use polysock::tls::Version as MinVersion;

/// The flags of TLS with clients.
#[derive(Args, Debug)]
pub(crate) struct TlsFlags {
    /// Speak TLS as well, with the certificate in this PEM file, which is followed there by the
    /// certificates that signed it. Plain text is then redirected to https://, or refused
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// File with the key of the certificate, if it is not in the same file
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Minimum TLS version: 1.2 or 1.3; 1.0 or 1.1 for old clients, in a build with the feature
    /// legacy-tls
    #[arg(long, value_name = "VERSION", default_value = "1.2", value_parser = min_version)]
    pub(crate) tls_min_version: MinVersion,

    /// Accept plain text in addition to TLS
    #[arg(long)]
    pub(crate) plain: bool,
}

/// A substitute for the library's type in a build without TLS.
#[cfg(not(feature = "tls"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MinVersion {
    #[default]
    Tls12,
    Tls13,
}

#[cfg(not(feature = "tls"))]
impl MinVersion {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// Parses a TLS version.
pub(crate) fn min_version(text: &str) -> Result<MinVersion, String> {
    match text {
        "1.2" => Ok(MinVersion::Tls12),
        "1.3" => Ok(MinVersion::Tls13),
        #[cfg(feature = "legacy-tls")]
        "1.0" => Ok(MinVersion::Tls10),
        #[cfg(feature = "legacy-tls")]
        "1.1" => Ok(MinVersion::Tls11),
        #[cfg(not(feature = "legacy-tls"))]
        "1.0" | "1.1" => Err(format!(
            "write 1.2 or 1.3: TLS {text} needs the feature `legacy-tls`, which this build does not have"
        )),
        _ => Err("write 1.2 or 1.3; 1.0 and 1.1 need the feature `legacy-tls`".to_owned()),
    }
}
