//! Redis as the broker between nodes.

mod answers;
mod batch;
mod limit;
mod link;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_core::future::BoxFuture;
use polysock::BoxError;
use polysock::bus::{Bus, Link};
use polysock::protocols::hide_secrets;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisError,
};
use thiserror::Error;
use tokio::sync::mpsc;

use self::batch::Names;
use self::limit::Limit;
use self::link::RedisLink;
#[cfg(doc)]
use super::settings::History;
use super::settings::{BusSettings, BusUrlError};

/// The most messages that may wait for the node before the connection is closed. Redis itself
/// closes the connection of a client that does not read, by `client-output-buffer-limit`; these
/// messages have been read already.
const MOST_WAITING: usize = 65_536;

/// Redis, 6.2 or newer, as the broker between nodes. A message is one `PUBLISH`, and messages are
/// received by `SUBSCRIBE`, all on one connection.
///
/// With a [`History`], a message is one call of a script instead. The script adds the message to a
/// stream, removes messages over the limits, and publishes it with its place. The offsets of a
/// channel are the times of its messages in microseconds. The last one is known for a day longer
/// than the messages.
///
/// A cluster requires each key to be requested from the node that owns it, so a history is not
/// possible in a cluster. Without a history, any node of the cluster works.
#[derive(Clone)]
pub struct RedisBus {
    place: Arc<str>,
    client: Client,
    settings: BusSettings,
}

/// The error for a failed connection to Redis.
#[derive(Debug, Error)]
enum ConnectError {
    #[error(
        "Redis requires a password: write redis://:PASSWORD@HOST or redis://USER:PASSWORD@HOST ({0})"
    )]
    NoPassword(RedisError),
    #[error("Redis refuses the user and the password of the URL ({0})")]
    WrongPassword(RedisError),
    #[error("this Redis is too old: 6.2 or newer is needed ({0})")]
    TooOld(RedisError),
    #[error("Redis: {0}")]
    Other(#[from] RedisError),
}

impl RedisBus {
    /// Creates the bus for a URL: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://` for
    /// TLS, or `redis+unix:///PATH`. Published messages are seen in all databases; the history is
    /// in the given one.
    ///
    /// # Errors
    ///
    /// The URL is not valid for Redis, or it is `rediss://` and the feature `tls` is missing.
    pub fn new(url: &str, settings: BusSettings) -> Result<Self, BusUrlError> {
        #[cfg(not(feature = "tls"))]
        if url.starts_with("rediss:") {
            return Err(BusUrlError::not_built(url, "tls"));
        }
        let wrong = |_| BusUrlError::no_broker(url);
        let info = url.into_connection_info().map_err(wrong)?;
        let redis = info.redis_settings().clone();
        let info = info
            .set_redis_settings(redis.set_protocol(ProtocolVersion::RESP3))
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self {
            place: hide_secrets(url).into(),
            client: Client::open(info).map_err(wrong)?,
            settings,
        })
    }
}

impl Bus for RedisBus {
    fn connect(&self) -> BoxFuture<'static, Result<Box<dyn Link>, BoxError>> {
        let Self {
            client, settings, ..
        } = self.clone();
        Box::pin(async move { Ok(connect(client, &settings).await?) })
    }

    fn has_history(&self) -> bool {
        self.settings.history.is_some()
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus")
            .field("place", &self.place)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

async fn connect(client: Client, settings: &BusSettings) -> Result<Box<dyn Link>, ConnectError> {
    let (sender, pushes) = mpsc::channel(MOST_WAITING);
    // The sender is dropped when there is no room, which ends the link.
    let sender = Mutex::new(Some(sender));
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_push_sender(move |push| pass_on(&sender, push));
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection: MultiplexedConnection = connecting.await.map_err(ConnectError::of)?;
    let limit = Limit::read(&mut connection).await?;
    let names = Names::new(&settings.prefix, settings.history);
    Ok(Box::new(RedisLink::new(connection, pushes, names, limit)))
}

/// Forwards a message without blocking.
fn pass_on(
    sender: &Mutex<Option<mpsc::Sender<PushInfo>>>,
    push: PushInfo,
) -> Result<(), mpsc::error::TrySendError<()>> {
    if !matches!(
        push.kind,
        PushKind::Message | PushKind::PMessage | PushKind::Disconnection
    ) {
        return Ok(());
    }
    let mut sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
    let sent = sender.as_ref().map(|sender| sender.try_send(push));
    if let Some(Err(_)) = sent {
        *sender = None;
        return Err(mpsc::error::TrySendError::Full(()));
    }
    Ok(())
}

impl ConnectError {
    fn of(error: RedisError) -> Self {
        let text = error.to_string();
        if text.contains("NOAUTH") {
            Self::NoPassword(error)
        } else if text.contains("WRONGPASS") || error.kind() == ErrorKind::AuthenticationFailed {
            Self::WrongPassword(error)
        } else if text.contains("unknown command") || error.kind() == ErrorKind::RESP3NotSupported {
            Self::TooOld(error)
        } else {
            Self::Other(error)
        }
    }
}
