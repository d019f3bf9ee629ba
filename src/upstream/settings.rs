//! How upstreams are treated.

use std::time::Duration;

use ipnet::IpNet;
use polysock_protocols::http::HeadLimits;
use polysock_protocols::{Compression, Limits, ProxyVersion, SessionConfig};
use tokio::time::timeout;

use super::{ForwardSettings, UpstreamError};
use crate::connection::Terms;
#[cfg(feature = "tls")]
use crate::transport::tls::ClientTls;

/// How upstreams are treated.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// How long connecting may take, the opening handshake included.
    pub connect_timeout: Duration,
    /// After how much silence the kernel asks a TCP server whether it is there. One whose kernel answers
    /// nothing for twice as long, or has no room for what is sent to it for twice as long, is lost.
    pub keep_alive: Duration,
    /// The networks that a TCP server may be in, whatever its name is looked up to be; empty, the default:
    /// any.
    pub allow: Vec<IpNet>,
    /// What the head of an answer may take.
    pub head: HeadLimits,
    /// What the frames of a message may take.
    pub limits: Limits,
    /// How messages are compressed where a WebSocket server accepts it; `None`, the default, does
    /// not offer it.
    pub compression: Option<Compression>,
    /// How the session behaves.
    pub session: SessionConfig,
    /// What an upstream that speaks HTTP is told of a client, and a client of its answer.
    pub forward: ForwardSettings,
    /// The PROXY header that says for whom a connection is, before all else that goes over it; `None`, the
    /// default, for no header. The server has to expect it.
    pub proxy_protocol: Option<ProxyVersion>,
    /// How servers are met by TLS, where their URL asks for it.
    #[cfg(feature = "tls")]
    pub tls: ClientTls,
    /// What a connection is held to beside that: its age, and how it takes what is sent.
    pub terms: Terms,
    /// How long a web server may take for the head of an answer, from the last piece of the request on.
    pub answer_timeout: Duration,
    /// How long a web server may say nothing in the middle of a body; `None` for ever.
    pub body_timeout: Option<Duration>,
    /// How many connections to a web server each thread keeps for the next request.
    pub idle_connections: usize,
    /// How long it keeps them.
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
    /// Connects within the connect timeout: put all that belongs to it into one future.
    pub(super) async fn in_time<T>(
        &self,
        connecting: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let connected = timeout(self.connect_timeout, connecting).await;
        connected.unwrap_or(Err(UpstreamError::Timeout))
    }
}
