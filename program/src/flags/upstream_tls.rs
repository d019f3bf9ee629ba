//! The TLS flags of upstream connections.

use std::path::PathBuf;

use clap::Args;
use polysock::tls::{Authorities, ClientTls, ClientTlsSettings};

/// How a gateway meets servers by TLS.
#[derive(Args, Debug)]
pub(crate) struct UpstreamTlsFlags {
    /// The authorities of whom one has to have signed the certificate of an upstream within TLS, in PEM form
    /// [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream_ca: Option<PathBuf>,

    /// Do not verify the certificates of upstreams: whoever stands in between can read and change all
    #[arg(long)]
    pub(crate) upstream_insecure: bool,
}

/// How a client meets a server by TLS.
#[derive(Args, Debug)]
pub(crate) struct ServerTlsFlags {
    /// The authorities of whom one has to have signed the certificate of a wss:// server, in PEM form
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
