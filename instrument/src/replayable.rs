//! A server whose sessions replay.

use polysock::{Application, Gateway, PortSettings, Site, SiteSettings, Trusted};
use polysock_protocols::{Context, PROTOCOLS, SessionConfig};

/// How a server is told to treat its clients.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// Before it is known which site they are for.
    pub port: PortSettings,
    /// As the one site that there is.
    pub site: SiteSettings,
}

impl ServerSettings {
    /// The settings of a server whose sessions replay: it speaks everything, to everybody, sends no
    /// pings, and does not compress. `secure` is whether TLS ends at a proxy in front.
    pub fn replayable(secure: bool) -> Self {
        Self {
            port: PortSettings {
                protocols: PROTOCOLS.to_vec(),
                flash_policy: true,
                secure,
                ..PortSettings::default()
            },
            site: SiteSettings {
                session: SessionConfig {
                    ping_interval: None,
                    ..SessionConfig::default()
                },
                compression: None,
                unmasked_from: Trusted::everyone(),
                ..SiteSettings::default()
            },
        }
    }

    /// A gateway whose sessions replay, as its nonces are known too.
    ///
    /// Masks of hybi-04 to hybi-06 are made of such a nonce, so a page can choose what bytes its
    /// frames are on the wire: this is no server for daily use.
    pub fn gateway(self, application: impl Application) -> Gateway {
        let site = Site::new(application).with_settings(self.site);
        Gateway::with_site(site, self.port).with_predictable_nonces(entropy)
    }

    /// What its opening handshakes are told, with nonces that are known.
    pub(crate) fn context(&self) -> Context {
        self.site.context(self.port.secure, entropy)
    }
}

/// What keys and nonces are made of in a replay, so that every byte is known: the masking key of
/// the examples in RFC 6455 §5.7, over and over.
pub(crate) fn entropy(bytes: &mut [u8]) {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    for (byte, key) in bytes.iter_mut().zip(key.into_iter().cycle()) {
        *byte = key;
    }
}
