//! The settings of a site.

use std::time::{Duration, SystemTime};

use bytestring::ByteString;
use hyper::header::{HeaderMap, HeaderValue, USER_AGENT};
use polysock_protocols::{
    Compression, Context, Limits, Masking, Protocol, Rejection, Request, SessionConfig,
};

use super::rule::RuleSubject;
use super::{Origins, Rule};
use crate::connection::Terms;
use crate::handshake::Treatment;
#[cfg(feature = "tls")]
use crate::transport::tls;
use crate::transport::{Peer, Trusted};

/// The settings of a site: everything that can differ between the sites of a port.
#[derive(Clone, Debug)]
pub struct SiteSettings {
    /// The protocols that the site speaks, of those of the port; `None`, the default, for all of
    /// them.
    pub protocols: Option<Vec<&'static dyn Protocol>>,
    /// The behaviour of sessions: the largest message, and the timeouts.
    pub session: SessionConfig,
    /// The further terms of connections: their maximum age, the rate at which clients may send, and
    /// the time within which clients must accept data.
    pub terms: Terms,
    /// The time that an application has to answer a complete opening handshake, policies included;
    /// for a relay, the upstream's answer is included too. Then the client receives 504. 60 seconds
    /// by default.
    pub handshake_timeout: Duration,
    /// The limits on the number of connections. By default there is no limit but that of the port.
    pub connections: SiteConnections,
    /// The limits on the frames of a message.
    pub limits: Limits,
    /// The origins whose pages may connect.
    pub origins: Origins,
    /// The oldest accepted version of TLS, for TLS that ends at this port. Replaces
    /// [`ServerSettings::min_version`](crate::tls::ServerSettings::min_version); `None` for that
    /// one. Clients with an older version receive 403. Clients without TLS are not affected.
    #[cfg(feature = "tls")]
    pub tls_min_version: Option<tls::Version>,
    /// The networks from which connections are accepted that are neither [secure](Peer::secure) nor
    /// masked by their clients ([`Masking::None`]: hixie-75 to hybi-03). A page controls the bytes
    /// of such a connection. An intermediary that does not know WebSocket may read them as
    /// requests, and cache a wrong answer for everybody (RFC 6455 §10.3). By default
    /// [private](Trusted::private) networks: such intermediaries are on paths through foreign
    /// networks, and devices that speak nothing else are mostly in one's own.
    pub unmasked_from: Trusted,
    /// The rules that admit clients by protocol, network and user agent. The first matching rule
    /// decides, for ordinary requests too. A client that no rule matches is admitted.
    pub rules: Vec<Rule>,
    /// The subprotocols that the site speaks, in order of preference. Of those that a client
    /// offers, an application sees only these, in this order. An application may accept a client
    /// that offers none of them, and then selects none (RFC 6455 §4.2.2). Empty, the default:
    /// everything that clients offer, in their order.
    pub subprotocols: Vec<ByteString>,
    /// The compression of messages for clients that offer it; `None` declines.
    pub compression: Option<Compression>,
    /// Whether the log has a line when a connection opens and when it closes, and one at the end of
    /// each ordinary request. True by default.
    pub access_log: bool,
    /// Whether [`Site::close`](super::Site::close) reaches the connections. This takes about 16
    /// bytes per connection.
    pub closable: bool,
}

/// The maximum number of connections of a site: WebSockets from their opening handshake to their
/// last byte, those on streams of HTTP/2 included. Further ones receive 503 with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteConnections {
    /// The maximum number of connections in total.
    pub total: usize,
    /// The maximum number of connections from one address, or one /64 of IPv6. Those from this
    /// machine are not counted.
    pub per_address: usize,
}

impl Default for SiteConnections {
    fn default() -> Self {
        Self {
            total: usize::MAX,
            per_address: usize::MAX,
        }
    }
}

impl Default for SiteSettings {
    /// Messages of up to 1 MiB, and pings after 25 seconds of silence; otherwise the defaults of a
    /// session. A [`Relay`](crate::apps::Relay) holds no whole messages, so it can do without the
    /// limit on them.
    fn default() -> Self {
        Self {
            protocols: None,
            session: SessionConfig {
                max_message: 1 << 20,
                ping_interval: Some(Duration::from_secs(25)),
                ..SessionConfig::default()
            },
            terms: Terms::default(),
            handshake_timeout: Duration::from_secs(60),
            connections: SiteConnections::default(),
            limits: Limits::default(),
            origins: Origins::Any,
            #[cfg(feature = "tls")]
            tls_min_version: None,
            unmasked_from: Trusted::private(),
            rules: Vec::new(),
            subprotocols: Vec::new(),
            compression: Some(Compression::default()),
            access_log: true,
            closable: false,
        }
    }
}

impl SiteSettings {
    /// Admits a client, and limits its subprotocols to those of the site, in the site's order. Or
    /// returns the refusal.
    ///
    /// # Errors
    ///
    /// The origin is not listed, TLS is too old, a rule refuses the client, or the client does not
    /// mask and is not in a network of [`unmasked_from`](Self::unmasked_from).
    pub fn admit(&self, request: &mut Request, peer: &Peer) -> Result<(), Rejection> {
        self.origins.check(request)?;
        self.check_tls(peer)?;
        if request.protocol.masking() == Masking::None && !peer.secure {
            self.admit_unmasked(request, peer)?;
        }
        if !self.rules.is_empty() {
            let asker = RuleSubject {
                protocol: Some(request.protocol),
                address: peer.address,
                user_agent: request.head.value("user-agent"),
            };
            Rule::check(&self.rules, asker, SystemTime::now)?;
        }
        if !self.subprotocols.is_empty() {
            let offered = &mut request.subprotocols;
            let kept = self.subprotocols.iter();
            *offered = kept
                .filter(|name| offered.contains(name))
                .cloned()
                .collect();
        }
        Ok(())
    }

    /// Refuses clients whose version of TLS is too old for this site, where TLS ends at this port.
    fn check_tls(&self, peer: &Peer) -> Result<(), Rejection> {
        #[cfg(feature = "tls")]
        if let Some(encryption) = peer.extensions.get::<tls::Encryption>()
            && encryption.is_too_old(self.tls_min_version)
        {
            let reason = format_args!("TLS {} is too old here", encryption.version());
            return Err(Rejection::new(403, reason));
        }
        #[cfg(not(feature = "tls"))]
        let _ = peer;
        Ok(())
    }

    /// Admits an ordinary request by its fields, or returns the refusal.
    pub(crate) fn admit_request(&self, fields: &HeaderMap, peer: &Peer) -> Result<(), Rejection> {
        self.check_tls(peer)?;
        if self.rules.is_empty() {
            return Ok(());
        }
        let asker = RuleSubject {
            protocol: None,
            address: peer.address,
            user_agent: fields.get(USER_AGENT).map(HeaderValue::as_bytes),
        };
        Rule::check(&self.rules, asker, SystemTime::now)
    }

    /// Enforces RFC 6455 §10.3 for clients that cannot mask.
    #[cold]
    fn admit_unmasked(&self, request: &Request, peer: &Peer) -> Result<(), Rejection> {
        if self.unmasked_from.includes(peer.address) {
            return Ok(());
        }
        let protocol = request.protocol.name();
        Err(Rejection::new(403, "this client is not served here").because(format_args!(
            "clients of {protocol} do not mask: this one needs TLS or a network in `unmasked_from`"
        )))
    }

    /// Returns the settings for a connection of this site.
    pub(crate) fn treatment(&self) -> Treatment {
        Treatment {
            session: self.session,
            terms: self.terms,
            is_logged: self.access_log,
        }
    }

    /// Returns the context for an opening handshake. `secure` is true if the client sees `wss://`,
    /// and `entropy` fills a buffer with unpredictable bytes.
    pub fn context(&self, secure: bool, entropy: fn(&mut [u8])) -> Context {
        Context {
            secure,
            limits: self.limits,
            compression: self.compression,
            entropy,
        }
    }
}
