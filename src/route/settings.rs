//! How a site treats its connections.

use std::time::{Duration, SystemTime};

use bytestring::ByteString;
use hyper::header::{HeaderMap, HeaderValue, USER_AGENT};
use polysock_protocols::{
    Compression, Context, Limits, Masking, Protocol, Rejection, Request, SessionConfig,
};

use super::rule::Asker;
use super::{Origins, Rule};
use crate::connection::Terms;
use crate::handshake::Treatment;
#[cfg(feature = "tls")]
use crate::transport::tls;
use crate::transport::{Peer, Trusted};

/// How a site treats its connections: all that can differ from one site of a port to another.
#[derive(Clone, Debug)]
pub struct SiteSettings {
    /// The protocols that are spoken here, of those of the port; `None`, the default, for all of them.
    pub protocols: Option<Vec<&'static dyn Protocol>>,
    /// How a session behaves: the largest message, and its times.
    pub session: SessionConfig,
    /// What a connection is held to beside that: its age, how fast its client may send, and how it takes
    /// what is sent to it.
    pub terms: Terms,
    /// How long an application has to answer an opening handshake that is complete, the policies
    /// included, and a relay the upstream's; then its client is told 504. 60 seconds by default.
    pub handshake_timeout: Duration,
    /// How many connections there may be. By default there is no limit but that of the port.
    pub connections: SiteConnections,
    /// What the frames of a message may take.
    pub limits: Limits,
    /// From which pages connections are accepted.
    pub origins: Origins,
    /// The least version of TLS, where it ends here, whatever
    /// [`ServerSettings::min_version`](crate::tls::ServerSettings::min_version) says; `None` for that one. Clients
    /// of an older version are told 403. Those without TLS are none of its business.
    #[cfg(feature = "tls")]
    pub tls_min_version: Option<tls::Version>,
    /// From where connections are accepted that are neither [secure](Peer::secure) nor masked by their
    /// clients ([`Masking::None`]: hixie-75 to hybi-03). A page writes what it likes to one, and a proxy on
    /// the way that knows no WebSocket may take that for requests and keep a wrong answer for everybody
    /// (RFC 6455 §10.3). By default [private](Trusted::private) networks: there is such a proxy where a way leads
    /// through the networks of others, and the devices that speak nothing else mostly stand in one's own.
    pub unmasked_from: Trusted,
    /// Who is let in by protocol, network and user agent: the first of these that is for a client decides, of
    /// ordinary requests too. One that none is for is let in.
    pub rules: Vec<Rule>,
    /// The subprotocols that are spoken, in order of preference: of what a client offers, an
    /// application sees these, in this order. It may accept a client that offers none of them, and
    /// then names none (RFC 6455 §4.2.2). Empty, the default: whatever clients offer, in their order.
    pub subprotocols: Vec<ByteString>,
    /// How messages are compressed for clients that offer it; `None` declines.
    pub compression: Option<Compression>,
    /// Whether the log has a line for each connection at its open and one at its close, and one for each
    /// ordinary request, at its end. By default it has.
    pub access_log: bool,
    /// Whether [`Site::close`](super::Site::close) reaches the connections. To know them takes some 16
    /// bytes of each.
    pub closable: bool,
}

/// How many connections a site may have: WebSockets, from their opening handshake to their last byte, be
/// they streams of HTTP/2. The next are told 503 with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteConnections {
    /// How many in all.
    pub total: usize,
    /// How many from one address, or one /64 of IPv6. Those from this machine are not counted.
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
    /// Messages of up to 1 MiB, and clients are pinged after 25 seconds of silence; the rest is what a
    /// session does by itself. A [`Relay`](crate::apps::Relay) holds no messages, so it can do
    /// without their limit.
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
    /// Lets a client in: its subprotocols become those that are spoken here, in our order. Or says
    /// what it is answered with.
    ///
    /// # Errors
    ///
    /// Its origin is not listed, its TLS is too old, it does not mask and comes from elsewhere than it may, or a rule says so.
    pub fn admit(&self, request: &mut Request, peer: &Peer) -> Result<(), Rejection> {
        self.origins.check(request)?;
        self.check_tls(peer)?;
        if request.protocol.masking() == Masking::None && !peer.secure {
            self.admit_unmasked(request, peer)?;
        }
        if !self.rules.is_empty() {
            let asker = Asker {
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

    /// Whether the version of TLS is one for this site, where it ends here.
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

    /// Lets an ordinary request in, by what its fields say, or says what it is answered with.
    pub(crate) fn admit_request(&self, fields: &HeaderMap, peer: &Peer) -> Result<(), Rejection> {
        self.check_tls(peer)?;
        if self.rules.is_empty() {
            return Ok(());
        }
        let asker = Asker {
            protocol: None,
            address: peer.address,
            user_agent: fields.get(USER_AGENT).map(HeaderValue::as_bytes),
        };
        Rule::check(&self.rules, asker, SystemTime::now)
    }

    /// RFC 6455 §10.3, for clients that cannot heed it.
    #[cold]
    fn admit_unmasked(&self, request: &Request, peer: &Peer) -> Result<(), Rejection> {
        if self.unmasked_from.includes(peer.address) {
            return Ok(());
        }
        let protocol = request.protocol.name();
        Err(Rejection::new(403, "this client is not served here").because(format_args!(
            "clients of {protocol} do not mask, and this one is without TLS in a network that is not in `unmasked_from`"
        )))
    }

    /// How its connections are treated.
    pub(crate) fn treatment(&self) -> Treatment {
        Treatment {
            session: self.session,
            terms: self.terms,
            is_logged: self.access_log,
        }
    }

    /// What an opening handshake is told: `secure` is whether a page sees `wss://`, and `entropy`
    /// fills a buffer with bytes that nobody can predict.
    pub fn context(&self, secure: bool, entropy: fn(&mut [u8])) -> Context {
        Context {
            secure,
            limits: self.limits,
            compression: self.compression,
            entropy,
        }
    }
}
