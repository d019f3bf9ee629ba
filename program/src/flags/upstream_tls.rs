//! The TLS flags of upstream connections.

use std::path::PathBuf;

use clap::Args;
use polysock::tls::{Authorities, ClientTls, ClientTlsSettings};

/// The TLS flags of a gateway, for its upstreams.
#[derive(Args, Debug)]
pub(crate) struct UpstreamTlsFlags {
    /// PEM file with the authorities that are trusted to sign the certificates of upstreams over
    /// TLS [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream_ca: Option<PathBuf>,

    /// Do not verify the certificates of upstreams: an attacker in between can read and change
    /// everything
    #[arg(long)]
    pub(crate) upstream_insecure: bool,
}

/// The TLS flags of a client, for its server.
#[derive(Args, Debug)]
pub(crate) struct ServerTlsFlags {
    /// PEM file with the authorities that are trusted to sign the certificate of a wss:// server
    /// [default: those of the system]
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// Do not verify the certificate of a wss:// server
    #[arg(short = 'k', long)]
    insecure: bool,
}

impl UpstreamTlsFlags {
    /// Returns the TLS settings of these flags.
    ///
    /// # Errors
    ///
    /// The authorities cannot be read.
    pub(crate) fn client(&self) -> Result<ClientTls, String> {
        client(self.upstream_ca.as_ref(), self.upstream_insecure)
    }
}

impl ServerTlsFlags {
    /// Returns the TLS settings of these flags.
    ///
    /// # Errors
    ///
    /// The authorities cannot be read.
    pub(crate) fn client(&self) -> Result<ClientTls, String> {
        client(self.cacert.as_ref(), self.insecure)
    }
}

fn client(authorities: Option<&PathBuf>, is_insecure: bool) -> Result<ClientTls, String> {
    let authorities = authorities.map(Authorities::read);
    let authorities = authorities.transpose().map_err(|error| error.to_string())?;
    if authorities.is_none() && !is_insecure {
        // The system's authorities are read when they are first needed.
        return Ok(ClientTls::default());
    }
    let settings = ClientTlsSettings {
        authorities,
        verify: !is_insecure,
        ..ClientTlsSettings::default()
    };
    ClientTls::new(&settings).map_err(|error| error.to_string())
}
