//! How a route treats its connections.

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

/// How a route treats its connections: all that `[defaults]` can say for every route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// The protocols that are spoken.
    pub(crate) protocols: ProtocolList,
    /// The pages that may connect; `None` for any, which nobody has said.
    pub(crate) origins: Option<Origins>,
    /// From where clients may come without TLS that do not mask.
    pub(crate) unmasked_from: Trusted,
    /// Who is let in by protocol, network and user agent.
    pub(crate) policy: Vec<Rule>,
    /// Who is let in; `None` for everybody.
    #[cfg(feature = "auth")]
    pub(crate) auth: Option<Auth>,
    /// The `[session.NAME]` that clients come with.
    pub(crate) session: Option<String>,
    /// What of it they have to have.
    pub(crate) require_session: Required,
    /// The subprotocols that are spoken, the preferred first; none for those that clients offer.
    pub(crate) subprotocols: Vec<ByteString>,
    /// How binary messages travel to clients that have none.
    pub(crate) binary_over_text: BinaryOverText,

    /// The file of tokens, or the directory of such files.
    pub(crate) tokens: Option<PathBuf>,
    /// The networks that a target may be in; none for any.
    pub(crate) allow: Vec<IpNet>,
    /// The beginning that paths lose before the upstream is asked.
    pub(crate) strip_prefix: Option<Written<PathPrefix>>,
    /// What stands for the path when the upstream is asked.
    pub(crate) rewrite: Option<Written<PathTemplate>>,
    /// The host that the upstream is asked for.
    pub(crate) upstream_host: HostSent,
    /// The fields that say who asks.
    pub(crate) forwarded: ForwardedStyle,
    /// The header of the PROXY protocol for the upstream.
    pub(crate) proxy_protocol: Option<ProxyVersion>,
    /// How the upstream is met by TLS.
    #[cfg(feature = "tls")]
    pub(crate) upstream_tls: UpstreamTls,
    /// What becomes of the fields of a request.
    pub(crate) request_headers: HeaderPolicy,
    /// What becomes of the fields of an answer.
    pub(crate) response_headers: HeaderPolicy,

    /// The largest message; `None` for what suits the target.
    pub(crate) max_message: Option<u64>,
    pub(crate) limits: Limits,
    /// The most messages that a client may send within a second.
    pub(crate) max_messages_per_second: Option<u32>,
    /// The most connections of the route, and of them from one address.
    pub(crate) connections: SiteConnections,

    /// How long the target may take to answer an opening handshake.
    pub(crate) handshake_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    /// How long a web server may take to begin its answer.
    pub(crate) answer_timeout: Duration,
    /// How long a body may stand still, of a request or of its answer.
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) upstream_idle_timeout: Option<Duration>,
    /// How old a connection may become, how many bytes a client may send within a second, and how long it
    /// may take nothing.
    pub(crate) terms: Terms,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Duration,

    pub(crate) compression: Compressing,

    /// What becomes of the connections when the route changes.
    pub(crate) on_reload: OnReload,
    /// The time over which they are closed.
    pub(crate) drain: Duration,

    /// Whether the log has a line at the open and the close of each connection, and for each request.
    pub(crate) access_log: bool,

    /// What waits for a slow client of an application.
    pub(crate) queue: Queue,

    pub(crate) exec: ExecSettings,

    pub(crate) wamp: WampSettings,
}

/// What becomes of the connections of a route that a reload changes.
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
