//! The choice of the implementation that performs a client's handshake, by its `ClientHello`.
//!
//! ```text
//!   older than the least accepted version          refused: alert 70 (SSL 3.0: 40)
//!   a fallback to less than TLS 1.3 (RFC 7507)     refused: alert 86
//!   TLS 1.3, or 1.2 with a suite of rustls         rustls
//!   any other                                      s2n-tls if old clients are allowed, else rustls
//! ```

use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use polysock_protocols::{ClientHello, ClientHelloError};
use tokio::io::AsyncReadExt;

#[cfg(feature = "legacy-tls")]
use super::provider;
use super::settings::ServerSettings;
use super::version::Version;
use crate::transport::io::Io;
use crate::transport::rewind::Rewind;

/// A transport, and the bytes already received from its client.
pub(super) type Beginning = Rewind<Box<Io>>;

/// The implementation that performs a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stack {
    Rustls,
    #[cfg(feature = "legacy-tls")]
    S2n,
}

/// The reason why a handshake is refused, and the alert record for the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) alert: [u8; 7],
}

/// Descriptions of alerts (RFC 8446 §6, RFC 7507 §2).
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const INAPPROPRIATE_FALLBACK: u8 = 86;

/// SSL 3.0, which has no alert for versions (RFC 6101 §5.4.2).
const SSL3: u16 = 0x0300;

/// Reads until the `ClientHello` is complete. Returns it with all received bytes.
pub(super) async fn read_hello(
    transport: &mut Io,
    come: Bytes,
) -> io::Result<(Result<ClientHello, ClientHelloError>, Bytes)> {
    let mut incoming = BytesMut::from(come);
    loop {
        match ClientHello::read(&incoming) {
            Ok(Some(hello)) => return Ok((Ok(hello), incoming.freeze())),
            Err(error) => return Ok((Err(error), incoming.freeze())),
            Ok(None) => {}
        }
        if transport.read_buf(&mut incoming).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

impl Stack {
    /// Chooses the implementation for a client with this address.
    pub(super) fn choose(
        settings: &ServerSettings,
        hello: &ClientHello,
        client: Option<SocketAddr>,
    ) -> Result<Self, Refusal> {
        let refusal = |reason, alert| Refusal {
            reason,
            alert: hello.alert(alert),
        };
        let newest = hello.newest();
        let least = settings.least_version(client);
        if newest < least.number() {
            let alert = match newest {
                SSL3 => HANDSHAKE_FAILURE,
                _ => PROTOCOL_VERSION,
            };
            let reason = format!(
                "the client supports at most {}, and the minimum is TLS {}",
                name(newest),
                least.as_str()
            );
            return Err(refusal(reason, alert));
        }
        if hello.is_fallback() && newest < Version::Tls13.number() {
            let reason = "the client has retried with an older version".to_owned();
            return Err(refusal(reason, INAPPROPRIATE_FALLBACK));
        }
        #[cfg(feature = "legacy-tls")]
        if settings.accepts_legacy(client) && !is_for_rustls(hello) {
            return Ok(Self::S2n);
        }
        // rustls sends an alert to clients that it does not support.
        Ok(Self::Rustls)
    }
}

impl From<ClientHelloError> for Refusal {
    fn from(error: ClientHelloError) -> Self {
        Self {
            reason: error.to_string(),
            alert: error.alert(),
        }
    }
}

/// True if rustls supports the client's versions and suites.
#[cfg(feature = "legacy-tls")]
fn is_for_rustls(hello: &ClientHello) -> bool {
    let newest = hello.newest();
    let suites = &provider().cipher_suites;
    let is_spoken = |offered: &u16| {
        suites
            .iter()
            .any(|suite| suite.tls13().is_none() && u16::from(suite.suite()) == *offered)
    };
    newest >= Version::Tls13.number()
        || newest == Version::Tls12.number()
            && hello.names_signatures()
            && hello.cipher_suites().iter().any(is_spoken)
}

fn name(version: u16) -> &'static str {
    match version {
        0x0304 => "TLS 1.3",
        0x0303 => "TLS 1.2",
        0x0302 => "TLS 1.1",
        0x0301 => "TLS 1.0",
        SSL3 => "SSL 3.0",
        _ => "an unknown version",
    }
}
