//! The TLS options of websockify.

use std::path::{Path, PathBuf};

use clap::Args;
use polysock::PortSettings;

use crate::flags::tls::MinVersion;

/// The TLS options, for clients and for the target.
#[derive(Args, Debug)]
pub(super) struct TlsOptions {
    /// Speak TLS in addition to plain text, with the certificate in this PEM file [default:
    /// self.pem, if it exists]
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// File with the key of the certificate, if it is not in the same file
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Accept no plain text
    #[arg(long)]
    ssl_only: bool,

    /// Minimum TLS version: tlsv1_2 or tlsv1_3; tlsv1 or tlsv1_1 in a build with the feature
    /// legacy-tls [default: tlsv1_2]
    #[arg(long, value_name = "VERSION", default_value = "default", hide_default_value = true, value_parser = version)]
    ssl_version: MinVersion,

    /// Accept TLS only from clients with a certificate that is signed by one in --cafile
    #[arg(long, requires = "cafile")]
    verify_client: bool,

    /// File with the certificates that are trusted to sign those of clients, with --verify-client
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,

    /// Connect to the target over TLS
    #[arg(long)]
    ssl_target: bool,
}

impl TlsOptions {
    /// The scheme of a target's URL.
    pub(super) fn scheme(&self) -> &'static str {
        if self.ssl_target { "tls" } else { "tcp" }
    }

    /// Refuses `--ssl-target` for a target on a Unix socket.
    pub(super) fn refuses_sockets(&self) -> Result<(), String> {
        match self.ssl_target {
            true => Err("--ssl-target needs a TCP target, not a Unix socket".into()),
            false => Ok(()),
        }
    }

    /// Adds TLS to the port settings if there is a certificate.
    pub(super) fn secure(&self, port: PortSettings) -> Result<PortSettings, String> {
        if let Some(certificate) = &self.cert {
            return self.with(certificate, port);
        }
        let found = Path::new(FOUND);
        if cfg!(feature = "tls") && found.exists() {
            return self
                .with(found, port)
                .map_err(|problem| format!("{FOUND}, the default of --cert: {problem}"));
        }
        let needs = [
            ("--key", self.key.is_some()),
            ("--ssl-only", self.ssl_only),
            ("--verify-client", self.verify_client),
        ];
        match needs.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(port),
            Some((option, _)) => Err(format!(
                "{option} needs a certificate: name its file with --cert, as there is no {FOUND} here"
            )),
        }
    }

    #[cfg(feature = "tls")]
    fn with(&self, certificate: &Path, port: PortSettings) -> Result<PortSettings, String> {
        use polysock::tls::{Acceptor, ClientCertificates, ServerSettings};

        let settings = ServerSettings {
            min_version: self.ssl_version,
            clients: match &self.cafile {
                Some(trusted) if self.verify_client => {
                    ClientCertificates::Required(trusted.clone())
                }
                Some(_) | None => ClientCertificates::None,
            },
            ..ServerSettings::new(certificate, self.key.as_deref().unwrap_or(certificate))
        };
        Ok(PortSettings {
            tls: Some(Acceptor::new(settings).map_err(|error| error.to_string())?),
            plain: !self.ssl_only,
            ..port
        })
    }

    #[cfg(not(feature = "tls"))]
    fn with(&self, _certificate: &Path, _port: PortSettings) -> Result<PortSettings, String> {
        Err("--cert: this program was built without its feature `tls`".into())
    }
}

/// The default file of the certificate and its key, as in websockify.
const FOUND: &str = "self.pem";

fn version(text: &str) -> Result<MinVersion, String> {
    match text {
        "default" | "tlsv1_2" => Ok(MinVersion::Tls12),
        "tlsv1_3" => Ok(MinVersion::Tls13),
        #[cfg(feature = "legacy-tls")]
        "tlsv1" => Ok(MinVersion::Tls10),
        #[cfg(feature = "legacy-tls")]
        "tlsv1_1" => Ok(MinVersion::Tls11),
        #[cfg(not(feature = "legacy-tls"))]
        "tlsv1_1" | "tlsv1" => Err(
            "write tlsv1_2 or tlsv1_3: older ones need the feature `legacy-tls`, which this build does not have".into(),
        ),
        _ => Err("write tlsv1_2 or tlsv1_3; tlsv1 and tlsv1_1 need the feature `legacy-tls`".into()),
    }
}
