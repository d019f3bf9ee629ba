//! Versions of TLS.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.0 (RFC 2246), which does not protect against active attackers (RFC 8996).
    #[cfg(feature = "legacy-tls")]
    Tls10,
    /// TLS 1.1 (RFC 4346), which is no more secure.
    #[cfg(feature = "legacy-tls")]
    Tls11,
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Version {
    /// Returns the number of the version: `1.2`.
    pub fn as_str(self) -> &'static str {
        match self {
            #[cfg(feature = "legacy-tls")]
            Self::Tls10 => "1.0",
            #[cfg(feature = "legacy-tls")]
            Self::Tls11 => "1.1",
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }

    /// Returns this version and newer ones, as far as rustls supports them.
    pub(super) fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            #[cfg(feature = "legacy-tls")]
            Self::Tls10 | Self::Tls11 => Self::Tls12.and_newer(),
            Self::Tls12 => const { &[&TLS13, &TLS12] },
            Self::Tls13 => const { &[&TLS13] },
        }
    }

    /// Returns the number of the version in the TLS protocol.
    pub(super) fn number(self) -> u16 {
        match self {
            #[cfg(feature = "legacy-tls")]
            Self::Tls10 => 0x0301,
            #[cfg(feature = "legacy-tls")]
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }
}
