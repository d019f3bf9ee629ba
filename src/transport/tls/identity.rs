//! A certificate and its key, with which one side of TLS proves its identity.

use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "legacy-tls")]
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::pem::{PemError, read_certificates, read_key};
use super::provider;

/// A certificate with its chain and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    #[cfg(feature = "legacy-tls")]
    pub(super) key: Arc<PrivateKeyDer<'static>>,
}

impl Identity {
    /// Reads certificates from one file in PEM form and a key from another, or from the same;
    /// blocks. The first certificate is that of the key. The certificates of its issuers follow,
    /// without the root. The key is PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    ///
    /// A file cannot be read or lacks its certificate or key, or the key does not match the
    /// certificate.
    pub fn read(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, PemError> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let chain = read_certificates(certificate)?;
        let der = read_key(key)?;
        let signing = provider().key_provider.load_private_key(der.clone_key());
        let signing = signing.map_err(|_| PemError::UnusableKey {
            path: key.to_owned(),
        })?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) => Ok(Self {
                certified: Arc::new(certified),
                #[cfg(feature = "legacy-tls")]
                key: Arc::new(der),
            }),
            Err(rustls::Error::InconsistentKeys(_)) => Err(PemError::Mismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            }),
            Err(error) => Err(PemError::InvalidCertificate {
                path: certificate.to_owned(),
                reason: error.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use base64::prelude::*;
    use rcgen::{
        CertificateParams, CertifiedKey as Made, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
        RsaKeySize, generate_simple_self_signed,
    };
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// Files of one test, removed when this is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("polysock-pem-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, content).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn made() -> (String, String) {
        let Made { cert, signing_key } =
            generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let text = BASE64_STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    #[test]
    fn reads_each_form_of_a_key() {
        let folder = Folder::new("forms");
        let elliptic = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        // The older forms are the inner part of PKCS#8, after its version and the algorithm.
        for (key, label, at) in [(&elliptic, "EC", 29), (&rsa, "RSA", 26)] {
            let params = CertificateParams::new(["a.test".to_owned()]).unwrap();
            let certificate = params.self_signed(key).unwrap().pem();
            let certificate = folder.file("site.pem", certificate);
            let inside = key.serialized_der().get(at..).unwrap();
            let older = pem(&format!("{label} PRIVATE KEY"), inside);
            // The parameters that `openssl ecparam -genkey` writes before the key.
            let older = pem("EC PARAMETERS", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07") + &older;
            for form in [key.serialize_pem(), older] {
                let key = folder.file("site.key", form);
                let read = Identity::read(&certificate, &key);
                assert_eq!(
                    read.map(|read| read.certified.cert.len()).unwrap(),
                    1,
                    "{label}"
                );
            }
        }
    }

    #[test]
    fn a_chain_and_its_key_may_be_in_one_file() {
        let folder = Folder::new("one");
        let ((certificate, key), (issuer, _)) = (made(), made());
        let windows = format!("a comment\r\n{key}{certificate}{issuer}").replace('\n', "\r\n");
        let file = folder.file("all.pem", windows);
        assert_eq!(
            Identity::read(&file, &file).unwrap().certified.cert.len(),
            2
        );
    }

    #[test]
    fn names_the_error_of_an_invalid_file() {
        let folder = Folder::new("wrong");
        let ((certificate, key), (other, other_key)) = (made(), made());
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHs\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let older = encrypted
            .replace("ENCRYPTED", "RSA")
            .replace("MIHs", "Proc-Type: 4,ENCRYPTED\n\nMIHs");
        let cut = certificate.trim_end().trim_end_matches('-').to_owned();
        let garbled = certificate.replace("MII", "M?I");
        let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
        let no_certificate = format!("{begin}\nMAA=\n{end}\n");
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        for (certificate, key, message) in [
            (
                "",
                &*key,
                "site.pem contains no certificate: a line -----BEGIN CERTIFICATE----- is expected",
            ),
            (
                &*key,
                &*key,
                "site.pem contains no certificate: a line -----BEGIN CERTIFICATE----- is expected",
            ),
            (
                &*cut,
                &*key,
                "site.pem is damaged: a line -----END …----- is missing",
            ),
            (&*garbled, &*key, "site.pem is damaged: invalid base64"),
            (
                &*no_certificate,
                &*key,
                "a certificate in site.pem cannot be read: invalid peer certificate: BadEncoding",
            ),
            (
                &*certificate,
                &*certificate,
                "site.key contains no private key: a line -----BEGIN PRIVATE KEY-----, RSA PRIVATE KEY or EC PRIVATE KEY is expected",
            ),
            (
                &*certificate,
                encrypted,
                "the private key in site.key is encrypted: remove the password with `openssl pkey`",
            ),
            (
                &*certificate,
                &*older,
                "the private key in site.key is encrypted: remove the password with `openssl pkey`",
            ),
            (
                &*certificate,
                &*format!("{key}{other_key}"),
                "site.key contains 2 private keys, and one is expected",
            ),
            (
                &*certificate,
                &*pem("PRIVATE KEY", b"\x30\x00"),
                "the private key in site.key is not supported: use RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519",
            ),
            (
                &*format!("{other}{certificate}"),
                &*key,
                "the private key in site.key does not match the first certificate in site.pem: put the server's certificate first, and those that signed it after it",
            ),
        ] {
            let certificate = folder.file("site.pem", certificate);
            let key = folder.file("site.key", key);
            let error = Identity::read(&certificate, &key).unwrap_err().to_string();
            let error = error.replace(&format!("{}/", folder.0.display()), "");
            assert_eq!(error, message);
        }
        let binary = folder.file("site.der", der);
        let error = read_certificates(&binary).unwrap_err().to_string();
        let hint = " (it looks like DER: convert it to PEM with `openssl x509 -inform der`)";
        assert!(error.ends_with(hint), "{error}");
        let error = read_certificates(&folder.0.join("none.pem")).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("none.pem: No such file or directory (os error 2)")
        );
    }
}
