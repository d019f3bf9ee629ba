//! A server whose sessions can be replayed.

use polysock::{Application, Gateway, PortSettings, Site, SiteSettings, Trusted};
use polysock_protocols::{Context, PROTOCOLS, SessionConfig};

/// The settings of a server for its clients.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// The settings that apply before the site is known.
    pub port: PortSettings,
    /// The settings of the only site.
    pub site: SiteSettings,
}

impl ServerSettings {
    /// Creates settings with which sessions can be replayed: all protocols and all origins are
    /// accepted, no pings are sent, and nothing is compressed. `secure` is whether TLS ends at a
    /// proxy in front.
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

    /// Creates a gateway whose sessions can be replayed: its nonces are fixed.
    ///
    /// Masks of hybi-04 to hybi-06 are derived from such a nonce, so a web page could choose the
    /// bytes of its frames on the wire: do not use this server in production.
    pub fn gateway(self, application: impl Application) -> Gateway {
        let site = Site::new(application).with_settings(self.site);
        Gateway::with_site(site, self.port).with_predictable_nonces(entropy)
    }

    /// Returns the context for opening handshakes, with fixed nonces.
    pub(crate) fn context(&self) -> Context {
        self.site.context(self.port.secure, entropy)
    }
}

/// The source of keys and nonces in a replay, so that every byte is known: it repeats the masking
/// key of the examples in RFC 6455 §5.7.
pub(crate) fn entropy(bytes: &mut [u8]) {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    for (byte, key) in bytes.iter_mut().zip(key.into_iter().cycle()) {
        *byte = key;
    }
}
