//! `polysock cert`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::exit::Exit;

/// Create a certificate
#[derive(Args, Debug)]
pub(crate) struct Cert {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    SelfSigned(SelfSigned),
}

/// Create a self-signed certificate and its key, for testing TLS
///
/// Clients trust it if they are given its file as an authority, as in `polysock connect --cacert`.
/// It is valid for servers only, and cannot sign other certificates.
#[derive(Args, Debug)]
struct SelfSigned {
    /// Name or address of the server. Repeatable
    #[arg(long, value_name = "NAME", value_parser = host, default_values = ["localhost", "127.0.0.1", "::1"])]
    host: Vec<String>,

    /// File to write the certificate to
    #[arg(long, value_name = "FILE", default_value = "polysock.pem")]
    certificate: PathBuf,

    /// File to write the key to, which only its owner may read; if it is the same as the file of
    /// the certificate, it contains both
    #[arg(long, value_name = "FILE", default_value = "polysock.key")]
    key: PathBuf,

    /// Validity of the certificate, in days
    #[arg(long, value_name = "COUNT", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,

    /// Replace existing files
    #[arg(long)]
    force: bool,
}

impl Cert {
    pub(crate) fn run(self) -> Exit {
        let Kind::SelfSigned(wanted) = self.kind;
        match wanted.write() {
            Ok(()) => match io::stdout().write_all(wanted.advice().as_bytes()) {
                Ok(()) => Exit::Ok,
                Err(_) => Exit::Failed,
            },
            Err(problem) => Exit::Failed.with(problem),
        }
    }
}

impl SelfSigned {
    fn write(&self) -> Result<(), String> {
        let made = self.make();
        let (certificate, key) =
            made.map_err(|error| format!("cannot create the certificate: {error}"))?;
        self.free(&self.key)?;
        if self.is_one_file() {
            return place(&self.key, SECRET, &(certificate + &key));
        }
        // Both paths are checked before anything is written.
        self.free(&self.certificate)?;
        place(&self.key, SECRET, &key)?;
        let written = place(&self.certificate, PUBLIC, &certificate);
        if written.is_err() {
            // A key without its certificate is useless, and would block the next attempt.
            let _ = fs::remove_file(&self.key);
        }
        written
    }

    /// Generates the certificate and its key in PEM form.
    fn make(&self) -> Result<(String, String), rcgen::Error> {
        let mut params = CertificateParams::new(self.host.clone())?;
        params.distinguished_name = DistinguishedName::new();
        let name = "Polysock, for trying out";
        params.distinguished_name.push(DnType::CommonName, name);
        // Clients refuse a CA certificate as a server's. A self-signed certificate can be trusted
        // even so.
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = SystemTime::now();
        // Clocks of clients may be slow.
        params.not_before = (now - HOUR).into();
        params.not_after = (now + 24 * HOUR * u32::from(self.days)).into();
        let key = KeyPair::generate()?;
        Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
    }

    fn is_one_file(&self) -> bool {
        self.certificate == self.key
    }

    /// Makes sure that no file exists at the path. Removes it if `--force` is given.
    fn free(&self, path: &Path) -> Result<(), String> {
        if !self.force {
            // A dangling symbolic link counts as a file.
            return match path.symlink_metadata() {
                Ok(_) => Err(in_the_way(path)),
                Err(_) => Ok(()),
            };
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(format!("{} cannot be replaced: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Describes the written files and their use.
    fn advice(&self) -> String {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let (files, key) = match self.is_one_file() {
            true => (
                format!("{certificate} contains the certificate and its key"),
                String::new(),
            ),
            false => (
                format!("{certificate} is the certificate, {key} its key"),
                format!(" --tls-key {key}"),
            ),
        };
        let host = self.host.first().map_or("localhost", String::as_str);
        let host = match host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => host.replace('*', "any"),
        };
        format!(
            "{files}, for {days} days and {hosts}\n\
             serve with it:  polysock serve --tls-certificate {certificate}{key}\n\
             and trust it:   polysock connect --cacert {certificate} wss://{host}:8080/\n",
            days = self.days,
            hosts = self.host.join(", "),
        )
    }
}

/// Parses a host name that a certificate can have, or an IP address.
fn host(text: &str) -> Result<String, String> {
    let address = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = address.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    // RFC 9525 section 6.3: `*` stands for exactly one label, the first.
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        (1..=63).contains(&label.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match text.len() <= 253 && name.split('.').all(is_label) {
        true => Ok(text.to_owned()),
        false => Err(
            "write a name as a.example or *.a.example (in ASCII, as xn--…), or an IP address, \
             without a port"
                .into(),
        ),
    }
}

/// Writes a new file; fails if it exists.
fn place(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    // The mode is set before the first byte is written.
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file: File| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => in_the_way(path),
        _ => format!("{} cannot be written: {error}", path.display()),
    })
}

fn in_the_way(path: &Path) -> String {
    let path = path.display();
    format!("{path} already exists: choose another file, or replace it with --force")
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The modes of files that everybody or only their owner can read.
const PUBLIC: u32 = 0o644;
const SECRET: u32 = 0o600;
