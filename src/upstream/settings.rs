//! The settings of upstreams.

use std::time::Duration;

use ipnet::IpNet;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{Compression, Limits, ProxyVersion, SessionConfig};
use tokio::time::timeout;

use super::{ForwardSettings, UpstreamError};
use crate::connection::Terms;
#[cfg(feature = "tls")]
use crate::transport::tls::ClientTls;

/// The settings of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// The time that connecting may take, the opening handshake included.
    pub connect_timeout: Duration,
    /// The silence after which the kernel probes a TCP server. A connection is lost if the server's
    /// kernel answers nothing, or has no room for sent data, for twice as long.
    pub keep_alive: Duration,
    /// The networks to which the looked-up address of a TCP server must belong; empty, the default,
    /// for any.
    pub allow: Vec<IpNet>,
    /// The limits for the head of an answer.
    pub head: HeadLimits,
    /// The limits for the frames of a message.
    pub limits: Limits,
    /// The compression that is offered to a WebSocket server; `None`, the default, offers none.
    pub compression: Option<Compression>,
    /// The settings of the session.
    pub session: SessionConfig,
    /// The settings for requests that are forwarded over HTTP, and for their answers.
    pub forward: ForwardSettings,
    /// The PROXY header, which names the client before all other bytes of a connection; `None`, the
    /// default, for no header. The server has to expect it.
    pub proxy_protocol: Option<ProxyVersion>,
    /// The TLS settings, for servers whose URL asks for TLS.
    #[cfg(feature = "tls")]
    pub tls: ClientTls,
    /// Further limits of a connection: its age, its rate, and the time to take sent data.
    pub terms: Terms,
    /// The time that a web server may take for the head of an answer, after the last piece of the
    /// request.
    pub answer_timeout: Duration,
    /// The time for which a web server may send nothing within a body; `None` for ever.
    pub body_timeout: Option<Duration>,
    /// The number of idle connections to a web server that each thread keeps.
    pub idle_connections: usize,
    /// The time for which an idle connection is kept.
    pub idle_timeout: Duration,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(25),
            allow: Vec::new(),
            head: HeadLimits::default(),
            limits: Limits::default(),
            compression: None,
            session: SessionConfig::default(),
            forward: ForwardSettings::default(),
            proxy_protocol: None,
            #[cfg(feature = "tls")]
            tls: ClientTls::default(),
            terms: Terms::default(),
            answer_timeout: Duration::from_secs(60),
            body_timeout: Some(Duration::from_secs(300)),
            idle_connections: 128,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

impl UpstreamSettings {
    /// Connects within the connect timeout. The future must include every step of connecting.
    pub(super) async fn in_time<T>(
        &self,
        connecting: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let connected = timeout(self.connect_timeout, connecting).await;
        connected.unwrap_or(Err(UpstreamError::Timeout))
    }
}
