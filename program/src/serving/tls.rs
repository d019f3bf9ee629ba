//! TLS to the upstream servers of a route.

#[cfg(feature = "tls")]
use std::fs;
#[cfg(feature = "tls")]
use std::hash::{DefaultHasher, Hash, Hasher};

#[cfg(feature = "tls")]
use polysock::tls::{Authorities, ClientTls, ClientTlsSettings, Identity};
use polysock::upstream::UpstreamSettings;
#[cfg(feature = "tls")]
use polysock::upstream::uses_tls;

use crate::config::route::Route;
#[cfg(feature = "tls")]
use crate::config::target::Target;
use crate::config::upstream::Upstream;
#[cfg(feature = "tls")]
use crate::config::upstream_tls::UpstreamTls;

/// The TLS settings for the upstream servers of a route, with a hash of the files that they come
/// from.
#[derive(Clone, Debug, Default)]
pub(super) struct UpstreamsTls {
    #[cfg(feature = "tls")]
    client: ClientTls,
    /// A hash of the contents of the files.
    stamp: u64,
    /// True if the certificates of servers are not verified.
    pub(super) is_open: bool,
}

#[cfg(feature = "tls")]
impl UpstreamsTls {
    /// Returns the TLS settings for the servers of a route. Reads the files that it names, if any
    /// server uses TLS.
    ///
    /// # Errors
    ///
    /// A file cannot be used, or the system has no authorities.
    pub(super) fn of(route: &Route, upstream: Option<&Upstream>) -> Result<Self, String> {
        let servers = upstream.map_or(&[][..], |upstream| &upstream.targets);
        let is_used = match &route.target {
            Target::Url(url) => uses_tls(url),
            _ => servers.iter().any(|server| uses_tls(&server.url)),
        };
        if !is_used {
            return Ok(Self::default());
        }
        let of_upstream = upstream.and_then(|upstream| upstream.tls.as_ref());
        let tls = of_upstream.unwrap_or(&route.settings.upstream_tls);
        // Hashed before it is read: the next reload then notices a change in between.
        let stamp = stamp(tls);
        Ok(Self {
            client: client(tls)?,
            stamp,
            is_open: !tls.verify && tls.pins.is_empty(),
        })
    }

    /// Returns the settings with TLS added.
    pub(super) fn apply(&self, settings: UpstreamSettings) -> UpstreamSettings {
        UpstreamSettings {
            tls: self.client.clone(),
            ..settings
        }
    }

    /// Returns these settings with the hash of `new`, still sharing the old client, and `new`
    /// itself if the files have changed. [`enforce`](Self::enforce) puts it in force.
    pub(super) fn renewed(&self, new: Self) -> (Self, Option<Self>) {
        let renewed = Self {
            client: self.client.clone(),
            stamp: new.stamp,
            is_open: new.is_open,
        };
        (renewed, (self.stamp != new.stamp).then_some(new))
    }

    /// Replaces the TLS client in every clone of these settings.
    pub(super) fn enforce(&self, new: &Self) {
        self.client.replace(&new.client);
    }
}

#[cfg(not(feature = "tls"))]
impl UpstreamsTls {
    /// Returns empty settings.
    pub(super) fn of(_: &Route, _: Option<&Upstream>) -> Result<Self, String> {
        Ok(Self::default())
    }

    /// Returns the settings unchanged.
    pub(super) fn apply(&self, settings: UpstreamSettings) -> UpstreamSettings {
        settings
    }

    /// Returns these settings, and `new` if its hash differs, which it never does in this build.
    pub(super) fn renewed(&self, new: Self) -> (Self, Option<Self>) {
        let is_same = self.stamp == new.stamp;
        (self.clone(), (!is_same).then_some(new))
    }

    /// Does nothing.
    pub(super) fn enforce(&self, _: &Self) {}
}

#[cfg(feature = "tls")]
pub(super) fn client(tls: &UpstreamTls) -> Result<ClientTls, String> {
    let authorities = tls.ca.as_ref().map(Authorities::read);
    let identity = tls.certificate.as_ref().map(|certificate| {
        let key = tls.key.as_ref().unwrap_or(certificate);
        Identity::read(certificate, key).map_err(|error| error.to_string())
    });
    let settings = ClientTlsSettings {
        authorities: authorities.transpose().map_err(|error| error.to_string())?,
        pins: tls.pins.clone(),
        identity: identity.transpose()?,
        server_name: tls.server_name.clone(),
        min_version: tls.min_version,
        verify: tls.verify,
    };
    ClientTls::new(&settings).map_err(|error| error.to_string())
}

#[cfg(feature = "tls")]
fn stamp(tls: &UpstreamTls) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in [&tls.ca, &tls.certificate, &tls.key].into_iter().flatten() {
        // A file that cannot be read is reported when it is read for use.
        fs::read(path).unwrap_or_default().hash(&mut hasher);
    }
    hasher.finish()
}
