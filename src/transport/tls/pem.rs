//! Certificates and keys in PEM files (RFC 7468).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// The reason why a file cannot be used as a certificate or a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PemError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The text between the lines `-----BEGIN …-----` and `-----END …-----` cannot be decoded.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
    /// The file contains no certificate.
    #[error(
        "{} contains no certificate: a line -----BEGIN CERTIFICATE----- is expected{}",
        path.display(), hint(*is_der, "openssl x509 -inform der")
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// Whether the file looks like DER.
        is_der: bool,
    },
    /// The file contains no key.
    #[error(
        "{} contains no private key: a line -----BEGIN PRIVATE KEY-----, RSA PRIVATE KEY or EC \
         PRIVATE KEY is expected{}",
        path.display(), hint(*is_der, "openssl pkey -inform der")
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Whether the file looks like DER.
        is_der: bool,
    },
    /// The key is encrypted, and no password can be given.
    #[error(
        "the private key in {} is encrypted: remove the password with `openssl pkey`",
        path.display()
    )]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The file contains more than one key.
    #[error("{} contains {count} private keys, and one is expected", path.display())]
    SeveralKeys {
        /// The file.
        path: PathBuf,
        /// The number of keys.
        count: usize,
    },
    /// The key's type is not supported.
    #[error(
        "the private key in {} is not supported: use RSA of 2048 to 8192 bits, ECDSA on P-256, \
         P-384 or P-521, or Ed25519",
        path.display()
    )]
    UnusableKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in the file cannot be parsed.
    #[error("a certificate in {} cannot be read: {reason}", path.display())]
    InvalidCertificate {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
    /// The certificate cannot be used for old clients.
    #[cfg(feature = "legacy-tls")]
    #[error(
        "the certificate in {} cannot be used for old clients ({reason}): use one of RSA or ECDSA",
        path.display()
    )]
    UnusableForLegacy {
        /// The file.
        path: PathBuf,
        /// The error of s2n-tls.
        reason: String,
    },
    /// TLS for old clients cannot be configured.
    #[cfg(feature = "legacy-tls")]
    #[error("TLS for old clients cannot be set up: {reason}")]
    Legacy {
        /// The error of s2n-tls.
        reason: String,
    },
    /// The key does not match the certificate.
    #[error(
        "the private key in {} does not match the first certificate in {}: put the server's \
         certificate first, and those that signed it after it",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
}

/// Reads the certificates of a file, at least one; blocks.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| damaged(path, &error))?;
    if certificates.is_empty() {
        return Err(PemError::NoCertificate {
            path: path.to_owned(),
            is_der: is_der(&text),
        });
    }
    Ok(certificates)
}

/// Reads the only key of a file: PKCS#8, PKCS#1 or SEC1.
pub(super) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let text = read(path)?;
    // `BEGIN ENCRYPTED PRIVATE KEY` (RFC 7468 §11), or the older `Proc-Type: 4,ENCRYPTED` (RFC 1421
    // §4.6.1.1).
    let is_encrypted = text.split(|byte| *byte == b'\n').any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY")
            || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    });
    if is_encrypted {
        return Err(PemError::EncryptedKey {
            path: path.to_owned(),
        });
    }
    let keys = PrivateKeyDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let mut keys = keys.map_err(|error| damaged(path, &error))?;
    let count = keys.len();
    match keys.pop() {
        Some(key) if count == 1 => Ok(key),
        Some(_) => Err(PemError::SeveralKeys {
            path: path.to_owned(),
            count,
        }),
        None => Err(PemError::NoKey {
            path: path.to_owned(),
            is_der: is_der(&text),
        }),
    }
}

/// The label of a certificate in PEM.
#[cfg(feature = "legacy-tls")]
pub(super) const CERTIFICATE: &str = "CERTIFICATE";

/// Converts DER to PEM.
#[cfg(feature = "legacy-tls")]
pub(super) fn to_pem(label: &str, der: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    let mut pem = format!("-----BEGIN {label}-----\n");
    // 64 characters a line.
    for line in der.chunks(48) {
        BASE64_STANDARD.encode_string(line, &mut pem);
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

/// Converts a key to PEM.
#[cfg(feature = "legacy-tls")]
pub(super) fn key_to_pem(key: &PrivateKeyDer<'_>) -> String {
    let label = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    to_pem(label, key.secret_der())
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    fs::read(path).map_err(|source| PemError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn damaged(path: &Path, error: &pem::Error) -> PemError {
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a line -----END …----- is missing".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "a line -----BEGIN …----- is not closed".to_owned()
        }
        pem::Error::Base64Decode(_) => "invalid base64".to_owned(),
        other => other.to_string(),
    };
    PemError::Damaged {
        path: path.to_owned(),
        reason,
    }
}

/// True if the bytes begin like a SEQUENCE in DER.
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, length, ..] if *length >= 0x80)
}

/// Returns a hint on the conversion of DER to PEM; empty if the file is not DER.
fn hint(is_der: bool, command: &str) -> String {
    if is_der {
        format!(" (it looks like DER: convert it to PEM with `{command}`)")
    } else {
        String::new()
    }
}
