//! What a gateway can be told.

use std::time::Duration;

use bytestring::ByteString;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{
    Compression, Context, DEFAULT, Limits, Protocol, Rejection, SessionConfig, find,
};

/// How a gateway treats the connections it accepts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The protocols that are spoken.
    pub protocols: Vec<&'static dyn Protocol>,
    /// From which pages connections are accepted.
    pub origins: Origins,
    /// The subprotocols that are spoken, in order of preference: of what a client offers, an
    /// application sees these, in this order. It may accept a client that offers none of them, and
    /// then names none (RFC 6455 §4.2.2). Empty, the default: whatever clients offer, in their order.
    pub subprotocols: Vec<ByteString>,
    /// What a request head may take.
    pub head: HeadLimits,
    /// Bytes of payload in a message.
    pub max_message: u64,
    /// What the frames of a message may take.
    pub limits: Limits,
    /// How messages are compressed for clients that offer it; `None` declines.
    pub compression: Option<Compression>,
    /// How long an opening handshake may take, from the accepted connection on.
    pub handshake_timeout: Duration,
    /// How long a closing handshake of ours waits for its answer.
    pub close_timeout: Duration,
    /// How long a peer may be silent; `None` for ever.
    pub idle_timeout: Option<Duration>,
    /// After how much silence a peer is pinged; one that does not answer is given up.
    pub ping_interval: Option<Duration>,
    /// Whether HTTP/2 is spoken, with WebSockets on its streams (RFC 8441).
    pub http2: bool,
    /// Whether Flash's socket policy requests are answered.
    pub flash_policy: bool,
    /// Whether a page that asks sees `wss://`, because a proxy in front ends TLS.
    pub secure: bool,
    /// Fills a buffer with bytes that nobody can predict, for nonces (RFC 6455 §10.3). Only where
    /// sessions are replayed is it anything but the default.
    pub entropy: fn(&mut [u8]),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            protocols: DEFAULT.iter().filter_map(|name| find(name)).collect(),
            origins: Origins::Any,
            subprotocols: Vec::new(),
            head: HeadLimits::default(),
            max_message: SessionConfig::default().max_message,
            limits: Limits::default(),
            compression: Some(Compression::default()),
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(3),
            idle_timeout: None,
            ping_interval: Some(Duration::from_secs(30)),
            http2: true,
            flash_policy: false,
            secure: false,
            entropy: crate::random::entropy,
        }
    }
}

impl Settings {
    /// What the protocols are told by these settings.
    pub fn context(&self) -> Context {
        Context {
            secure: self.secure,
            limits: self.limits,
            compression: self.compression,
            entropy: self.entropy,
        }
    }

    pub(crate) fn session(&self) -> SessionConfig {
        SessionConfig {
            max_message: self.max_message,
            close_timeout: self.close_timeout,
            idle_timeout: self.idle_timeout,
            ping_interval: self.ping_interval,
        }
    }
}

/// Which origins are let in (RFC 6455 §10.2). A browser always says where its page is from, and
/// a page cannot lie about it; other clients can say what they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin, and none.
    Any,
    /// These, compared without regard to case; `none` lets in clients that send no origin.
    Listed(Vec<String>),
}

impl Origins {
    /// The answer to one that is not let in.
    pub fn rejection() -> Rejection {
        Rejection::new(403, "this origin is not allowed")
    }

    /// Whether a client with this origin is let in.
    pub fn allow(&self, origin: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(list) => {
                let origin = origin.unwrap_or("none");
                list.iter()
                    .any(|listed| listed.eq_ignore_ascii_case(origin))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_origins_lets_in_exactly_those() {
        let origins = Origins::Listed(vec!["http://a.example".into()]);
        assert!(origins.allow(Some("http://A.example")));
        for other in [
            Some("http://b.example"),
            Some("http://a.example.evil"),
            Some("null"),
            None,
        ] {
            assert!(!origins.allow(other), "{other:?}");
        }
        assert!(Origins::Listed(vec!["none".into()]).allow(None));
        assert!(Origins::Any.allow(None));
    }
}
