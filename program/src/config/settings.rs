//! The settings of a route.

use std::path::PathBuf;
use std::time::Duration;

use bytestring::ByteString;
use ipnet::IpNet;
use polysock::protocols::{Limits, ProxyVersion, SessionConfig};
use polysock::upstream::{
    ForwardSettings, ForwardedStyle, HostSent, PathPrefix, PathTemplate, UpstreamSettings,
};
use polysock::{BinaryOverText, Origins, Queue, SiteConnections, SiteSettings, Terms, Trusted};

#[cfg(feature = "auth")]
use super::auth::Auth;
use super::exec::ExecSettings;
use super::headers::HeaderPolicy;
use super::policy::Rule;
use super::rewrite::Written;
use super::session::Required;
#[cfg(feature = "tls")]
use super::upstream_tls::UpstreamTls;
use super::wamp::WampSettings;
use crate::flags::compression::Compressing;
use crate::flags::values::ProtocolList;

/// The settings of a route, all of which `[defaults]` may set for every route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// The enabled protocols.
    pub(crate) protocols: ProtocolList,
    /// The allowed origins; `None` for any, by default and not by an explicit choice.
    pub(crate) origins: Option<Origins>,
    /// The networks from which unmasked clients may connect without TLS.
    pub(crate) unmasked_from: Trusted,
    /// The rules of admission by protocol, network and user agent.
    pub(crate) policy: Vec<Rule>,
    /// The authentication; `None` for none.
    #[cfg(feature = "auth")]
    pub(crate) auth: Option<Auth>,
    /// The name of the `[session.NAME]` that clients present; `None` for none.
    pub(crate) session: Option<String>,
    /// The condition that the session has to meet.
    pub(crate) require_session: Required,
    /// The supported subprotocols, in the order of preference; empty to accept what clients offer.
    pub(crate) subprotocols: Vec<ByteString>,
    /// The treatment of binary messages for clients whose protocol has none.
    pub(crate) binary_over_text: BinaryOverText,

    /// The file of tokens, or the directory of such files.
    pub(crate) tokens: Option<PathBuf>,
    /// The networks that a target may be in; empty for any.
    pub(crate) allow: Vec<IpNet>,
    /// The prefix that is removed from paths before they are sent to the upstream.
    pub(crate) strip_prefix: Option<Written<PathPrefix>>,
    /// The path that is sent to the upstream instead.
    pub(crate) rewrite: Option<Written<PathTemplate>>,
    /// The `Host` that is sent to the upstream.
    pub(crate) upstream_host: HostSent,
    /// The fields that tell the upstream about the client.
    pub(crate) forwarded: ForwardedStyle,
    /// The version of the PROXY header that is sent to the upstream; `None` for no header.
    pub(crate) proxy_protocol: Option<ProxyVersion>,
    /// The TLS settings of connections to the upstream.
    #[cfg(feature = "tls")]
    pub(crate) upstream_tls: UpstreamTls,
    /// The rules for the fields of a request.
    pub(crate) request_headers: HeaderPolicy,
    /// The rules for the fields of an answer.
    pub(crate) response_headers: HeaderPolicy,

    /// The largest message, in bytes; `None` for the default of the target.
    pub(crate) max_message: Option<u64>,
    pub(crate) limits: Limits,
    /// The most messages per second that a client may send.
    pub(crate) max_messages_per_second: Option<u32>,
    /// The most connections of the route, in total and from one address.
    pub(crate) connections: SiteConnections,

    /// The time that the target has to answer an opening handshake.
    pub(crate) handshake_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    /// The time that a web server has to begin its answer.
    pub(crate) answer_timeout: Duration,
    /// The time that the body of a request or an answer may make no progress.
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) upstream_idle_timeout: Option<Duration>,
    /// The limits of a connection's age, of a client's bytes per second, and of the time without
    /// progress in sending to it.
    pub(crate) terms: Terms,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Duration,

    pub(crate) compression: Compressing,

    /// The treatment of connections when the route changes.
    pub(crate) on_reload: OnReload,
    /// The time over which these connections are closed.
    pub(crate) drain: Duration,

    /// True if the access log has lines for connections and requests of the route.
    pub(crate) access_log: bool,

    /// The queue for a slow client of an application.
    pub(crate) queue: Queue,

    pub(crate) exec: ExecSettings,

    pub(crate) wamp: WampSettings,
}

/// The treatment of connections when a reload changes their route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnReload {
    Close,
    Keep,
}

impl Default for Settings {
    fn default() -> Self {
        let SiteSettings {
            session,
            limits,
            subprotocols,
            terms,
            access_log,
            connections,
            handshake_timeout,
            unmasked_from,
            ..
        } = SiteSettings::default();
        let forward = ForwardSettings::default();
        Self {
            protocols: ProtocolList(polysock::protocols::DEFAULT_PROTOCOLS.to_vec()),
            origins: None,
            unmasked_from,
            policy: Vec::new(),
            #[cfg(feature = "auth")]
            auth: None,
            session: None,
            require_session: Required::default(),
            subprotocols,
            binary_over_text: BinaryOverText::default(),
            tokens: None,
            allow: Vec::new(),
            strip_prefix: None,
            rewrite: None,
            upstream_host: forward.host,
            forwarded: forward.style,
            proxy_protocol: None,
            #[cfg(feature = "tls")]
            upstream_tls: UpstreamTls::default(),
            request_headers: HeaderPolicy::default(),
            response_headers: HeaderPolicy::default(),
            max_message: None,
            limits,
            max_messages_per_second: session.max_messages_per_second,
            connections,
            handshake_timeout,
            connect_timeout: UpstreamSettings::default().connect_timeout,
            answer_timeout: UpstreamSettings::default().answer_timeout,
            body_timeout: UpstreamSettings::default().body_timeout,
            close_timeout: session.close_timeout,
            idle_timeout: session.idle_timeout,
            upstream_idle_timeout: SessionConfig::default().idle_timeout,
            terms,
            ping_interval: session.ping_interval,
            pong_timeout: session.pong_timeout,
            compression: Compressing::default(),
            on_reload: OnReload::Close,
            drain: Duration::from_secs(10),
            access_log,
            queue: Queue::default(),
            exec: ExecSettings::default(),
            wamp: WampSettings::default(),
        }
    }
}
