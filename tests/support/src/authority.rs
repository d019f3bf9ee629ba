//! A certificate authority, made for a test, and the certificates that it issues.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate authority. Dropping it removes its files.
pub struct Authority {
    directory: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
    issued: AtomicU32,
}

/// A certificate and its key, in PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The file of the certificate, followed by that of the authority.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

/// The validity of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Valid {
    /// From 1975 to 4096.
    Now,
    /// Until the end of 2020.
    NoMore,
    /// From the year 3000 on.
    NotYet,
}

impl Authority {
    /// Creates an authority that nobody trusts yet.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("polysock-authority-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        // An earlier process with the same ID may have left the directory.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).expect("a new directory");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("Authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        fs::write(directory.join("ca.pem"), issuer.pem()).expect("a file");
        Self {
            directory,
            issuer,
            issued: AtomicU32::new(0),
        }
    }

    /// Returns the file of the authority's own certificate.
    pub fn file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Returns the authority's own certificate, DER-encoded.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Returns a path for a file with this name.
    pub fn place(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Issues a certificate for these names and addresses.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_valid(names, Valid::Now)
    }

    /// The same with an RSA key, for old clients.
    pub fn issue_rsa(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        self.sign_for(&params(names), &key)
    }

    /// The same for one of Polysock's own names.
    pub fn issue_to(&self, name: &str, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.distinguished_name = DistinguishedName::new();
        for (part, value) in [
            (DnType::OrganizationName, "Polysock"),
            (DnType::CommonName, name),
        ] {
            params.distinguished_name.push(part, value);
        }
        self.sign(&params)
    }

    /// The same with another validity.
    pub fn issue_valid(&self, names: &[&str], valid: Valid) -> Identity {
        let mut params = params(names);
        match valid {
            Valid::Now => {}
            Valid::NoMore => params.not_after = date_time_ymd(2020, 12, 31),
            Valid::NotYet => params.not_before = date_time_ymd(3000, 1, 1),
        }
        self.sign(&params)
    }

    /// Creates a self-signed CA certificate, as `openssl req -x509` does.
    pub fn self_signed_authority(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        self.write(&certificate.pem(), &key)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        self.sign_for(params, &KeyPair::generate().expect("a key"))
    }

    fn sign_for(&self, params: &CertificateParams, key: &KeyPair) -> Identity {
        let certificate = params.signed_by(key, &self.issuer);
        let certificate = certificate.expect("a certificate").pem();
        self.write(&(certificate + &self.issuer.pem()), key)
    }

    fn write(&self, certificate: &str, key: &KeyPair) -> Identity {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let write = |name: &str, text: &str| {
            let path = self.directory.join(format!("{number}.{name}"));
            fs::write(&path, text).expect("a file");
            path
        };
        Identity {
            certificate: write("pem", certificate),
            key: write("key", &key.serialize_pem()),
        }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names")
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // The directory may have been removed already.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Identity {
    /// Replaces the files by those of another identity. Each file is replaced atomically.
    pub fn replace_by(&self, other: &Self) {
        for (from, to) in [
            (&other.certificate, &self.certificate),
            (&other.key, &self.key),
        ] {
            let new = to.with_extension("new");
            fs::copy(from, &new).expect("a file");
            fs::rename(&new, to).expect("the file");
        }
    }

    /// Writes the files as `NAME.pem` and `NAME.key` to a directory, and replaces existing ones.
    pub fn write(&self, directory: &Path, name: &str) -> Self {
        let path = |extension| directory.join(name).with_extension(extension);
        let written = Self {
            certificate: path("pem"),
            key: path("key"),
        };
        written.replace_by(self);
        written
    }

    /// Returns the certificate, DER-encoded.
    pub fn der(&self) -> CertificateDer<'static> {
        self.chain().swap_remove(0)
    }

    /// Returns the certificate and that of the authority.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        let chain = CertificateDer::pem_file_iter(&self.certificate).expect("a file");
        chain.collect::<Result<_, _>>().expect("certificates")
    }

    /// Returns the key, DER-encoded.
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).expect("a key")
    }
}
