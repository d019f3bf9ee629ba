//! The TLS flags of listeners.

use std::path::PathBuf;

use clap::Args;
/// The oldest accepted TLS version.
#[cfg(feature = "tls")]
pub(crate) use polysock::tls::Version as MinVersion;

/// How TLS is spoken to clients.
#[derive(Args, Debug)]
pub(crate) struct TlsFlags {
    /// Speak TLS, too, with the certificate in this file in PEM form, behind which come those that have
    /// signed it. Plain text is sent to https:// then, or refused
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// The key of the certificate, if it is not in the same file
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    /// The oldest version of TLS that is spoken: 1.2 or 1.3; 1.0 or 1.1 for clients of old, where this
    /// program was built with the feature legacy-tls
    #[arg(long, value_name = "VERSION", default_value = "1.2", value_parser = min_version)]
    pub(crate) tls_min_version: MinVersion,

    /// Take plain text beside TLS
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
            "write 1.2 or 1.3: TLS {text} needs a build with the feature `legacy-tls`, which this is not"
        )),
        _ => Err("write 1.2 or 1.3, or with the feature `legacy-tls` 1.0 or 1.1".to_owned()),
    }
}
