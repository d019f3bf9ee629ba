//! Certificates and keys out of files in PEM form (RFC 7468).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// Why a file is of no use as a certificate or a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PemError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is between the lines `-----BEGIN …-----` and `-----END …-----` cannot be decoded.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It has no certificate.
    #[error(
        "{} has no certificate in it: a line -----BEGIN CERTIFICATE----- is expected{}",
        path.display(), hint(*is_der, "openssl x509 -inform der")
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// Whether it looks like DER.
        is_der: bool,
    },
    /// It has no key.
    #[error(
        "{} has no private key in it: a line -----BEGIN PRIVATE KEY-----, RSA PRIVATE KEY or EC PRIVATE \
         KEY is expected{}",
        path.display(), hint(*is_der, "openssl pkey -inform der")
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Whether it looks like DER.
        is_der: bool,
    },
    /// A password is needed to read its key, and nobody is there to give it.
    #[error(
        "the private key in {} is encrypted: write it without a password by `openssl pkey`",
        path.display()
    )]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// It has more than one key.
    #[error("{} has {count} private keys in it, and one is expected", path.display())]
    SeveralKeys {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// Its key is none that is used here.
    #[error(
        "the private key in {} cannot be used: RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521 \
         and Ed25519 can",
        path.display()
    )]
    UnusableKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in it cannot be read.
    #[error("a certificate in {} cannot be read: {reason}", path.display())]
    InvalidCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is of no use to clients of old.
    #[cfg(feature = "legacy-tls")]
    #[error(
        "the certificate in {} is of no use to clients of old ({reason}): give one of RSA or ECDSA",
        path.display()
    )]
    UnusableForLegacy {
        /// The file.
        path: PathBuf,
        /// What s2n-tls says.
        reason: String,
    },
    /// What clients of old speak cannot be set up.
    #[cfg(feature = "legacy-tls")]
    #[error("TLS for clients of old cannot be set up: {reason}")]
    Legacy {
        /// What s2n-tls says.
        reason: String,
    },
    /// The key is that of another certificate.
    #[error(
        "the private key in {} is not that of the first certificate in {}, which is the one of the \
         server; those that have signed it come behind it",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
}

/// Reads the certificates of a file, of which there is at least one; blocks.
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
    // `BEGIN ENCRYPTED PRIVATE KEY` (RFC 7468 §11), or the older `Proc-Type: 4,ENCRYPTED` (RFC 1421 §4.6.1.1).
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

/// What stands in the lines around a certificate.
#[cfg(feature = "legacy-tls")]
pub(super) const CERTIFICATE: &str = "CERTIFICATE";

/// Writes what is in DER.
#[cfg(feature = "legacy-tls")]
pub(super) fn to_pem(label: &str, der: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    let mut pem = format!("-----BEGIN {label}-----\n");
    // 64 characters in a line.
    for line in der.chunks(48) {
        BASE64_STANDARD.encode_string(line, &mut pem);
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

/// Writes a key.
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
        pem::Error::Base64Decode(_) => "it is no base64".to_owned(),
        other => other.to_string(),
    };
    PemError::Damaged {
        path: path.to_owned(),
        reason,
    }
}

/// Whether bytes begin as a SEQUENCE of DER does, and no text.
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, length, ..] if *length >= 0x80)
}

/// What mends a file that is DER.
fn hint(is_der: bool, command: &str) -> String {
    if is_der {
        format!(" (it looks like DER, which `{command}` turns into PEM)")
    } else {
        String::new()
    }
}
