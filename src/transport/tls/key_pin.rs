//! A public key, identified by its digest.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use thiserror::Error;

/// A pin of the public key of a certificate: `sha256/` and the base64 of the SHA-256 of the
/// SubjectPublicKeyInfo, as in RFC 7469 §2.4. The form of curl, with two slashes, is parsed as
/// well.
///
/// ```text
/// openssl x509 -in server.pem -pubkey -noout | openssl pkey -pubin -outform der |
///     openssl dgst -sha256 -binary | base64
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyPin([u8; 32]);

/// The error of a text that is not a [`KeyPin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a valid pin: write sha256/ and the base64 of 32 bytes")]
pub struct KeyPinError;

impl KeyPin {
    /// Returns the pin of a certificate's key.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let key = certificate.subject_public_key_info();
        let mut pin = [0; 32];
        pin.copy_from_slice(digest(&SHA256, &key).as_ref());
        Ok(Self(pin))
    }
}

impl FromStr for KeyPin {
    type Err = KeyPinError;

    fn from_str(text: &str) -> Result<Self, KeyPinError> {
        /// The length of 32 bytes in base64.
        const LENGTH: usize = 44;
        let base64 = text.strip_prefix("sha256/").ok_or(KeyPinError)?;
        let of_curl = base64.strip_prefix('/');
        let base64 = of_curl
            .filter(|rest| rest.len() == LENGTH)
            .unwrap_or(base64);
        let bytes = STANDARD.decode(base64).map_err(|_| KeyPinError)?;
        Ok(Self(bytes.try_into().map_err(|_| KeyPinError)?))
    }
}

impl fmt::Display for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_it_is_written_and_as_curl_has_it() {
        let slash = "/7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v78=";
        let plain = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        for base64 in [slash, plain] {
            for text in [format!("sha256/{base64}"), format!("sha256//{base64}")] {
                let pin: KeyPin = text.parse().unwrap();
                assert_eq!(pin.to_string(), format!("sha256/{base64}"));
            }
        }
        for text in [
            "",
            plain,
            "sha256/",
            "sha256/AAEC",
            "sha1/AAECAwQFBgcICQoLDA0ODxAREhM=",
            "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "SHA256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ] {
            assert_eq!(text.parse::<KeyPin>(), Err(KeyPinError), "{text}");
        }
    }
}
