//! NATS as the broker between nodes.

mod api;
mod error;
mod limits;
mod link;
mod past;
mod stream;
mod subscriptions;
mod work;

use std::borrow::Cow;
use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{
    Auth, AuthError, Client, ConnectError as NatsError, ConnectErrorKind, ConnectOptions,
    ServerAddr, SubscribeError,
};
use futures_core::future::BoxFuture;
use percent_encoding::percent_decode_str;
use polysock::BoxError;
use polysock::bus::{Bus, Link};
use polysock::protocols::hide_secrets;
use thiserror::Error;
use tokio::sync::mpsc;
use url::Url;

use self::link::NatsLink;
use self::stream::{StreamError, StreamInfo};
use super::settings::{BusSettings, BusUrlError};

/// The timeout of the NATS client's own connection attempts. The caller has a shorter deadline.
const CONNECT: Duration = Duration::from_secs(30);

/// NATS, 2.9 or newer, as the broker between nodes.
///
/// Without a history, a message is one `PUB`, which NATS does not answer. The message counts as
/// published once an echo, a message to ourselves that was sent after it, has come back: the server
/// had it by then. The link does not know who received it. In a cluster, a subscription needs a
/// moment until all servers know it.
///
/// With a history, messages are kept in a JetStream stream that has the name of the prefix. If the
/// stream does not exist, it is created: on disk, at one server. For replicas, raise its
/// `num_replicas`. Messages go to `PREFIX.h.NAME`, and the stream republishes them to
/// `PREFIX.c.NAME` with their sequence numbers. The place of a message is its sequence number,
/// added to the time in microseconds at which the stream was created. If the message at a place is
/// no longer kept, the history after it is known to be complete only if the stream has removed
/// nothing at all.
///
/// Names of channels can have up to 2,600 bytes.
#[derive(Clone)]
pub struct NatsBus {
    place: Arc<str>,
    address: ServerAddr,
    auth: Auth,
    settings: BusSettings,
}

/// The error for a failed connection to NATS.
#[derive(Debug, Error)]
enum ConnectError {
    #[error(
        "NATS refuses the user and the password of the URL: write nats://USER:PASSWORD@HOST, or nats://TOKEN@HOST"
    )]
    Unauthorized,
    #[error("NATS: {0}")]
    Other(NatsError),
    #[error("NATS: {0}")]
    Subscribe(#[from] SubscribeError),
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl NatsBus {
    /// Creates the bus for a URL: `nats://[USER:PASSWORD@]HOST[:PORT]`, with a token in place of
    /// user and password, or `tls://` to require TLS. `nats://` uses TLS as well if the server
    /// requires it.
    ///
    /// # Errors
    ///
    /// The URL is not valid for NATS.
    pub fn new(url: &str, settings: BusSettings) -> Result<Self, BusUrlError> {
        let wrong = || BusUrlError::no_broker(url);
        let mut address = Url::parse(url).map_err(|_| wrong())?;
        let is_plain = matches!(address.path(), "" | "/")
            && address.query().is_none()
            && address.fragment().is_none()
            && address.has_host();
        if !is_plain || !matches!(address.scheme(), "nats" | "tls") {
            return Err(wrong());
        }
        let auth = auth(&address).ok_or_else(wrong)?;
        let without = address.set_username("").and(address.set_password(None));
        without.map_err(|()| wrong())?;
        Ok(Self {
            place: hide_secrets(url).into(),
            address: ServerAddr::from_url(address).map_err(|_| wrong())?,
            auth,
            settings,
        })
    }

    async fn connect(self) -> Result<Box<dyn Link>, ConnectError> {
        let (sender, happened) = mpsc::unbounded_channel();
        // The client would reconnect by itself, but a link ends with its connection. The callback
        // therefore gives the credentials only once, and the single reconnection attempt fails.
        let was_let_in = AtomicBool::new(false);
        let auth = self.auth;
        let options = ConnectOptions::with_auth_callback(move |_| {
            let was_let_in = was_let_in.swap(true, Ordering::Relaxed);
            ready(if was_let_in {
                Err(AuthError::new("the connection has ended"))
            } else {
                Ok(auth.clone())
            })
        });
        let options = options
            .max_reconnects(1)
            .ignore_discovered_servers()
            .connection_timeout(CONNECT)
            .request_timeout(None)
            .skip_subject_validation(true)
            .name("polysock")
            .event_callback(move |event| {
                sender.send(event).ok();
                ready(())
            });
        let client = options.connect(self.address).await;
        let client: Client = client.map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                ConnectError::Unauthorized
            }
            _ => ConnectError::Other(error),
        })?;
        let BusSettings { prefix, history } = self.settings;
        let kept = match history {
            Some(history) => Some(StreamInfo::prepare(&client, &prefix, history).await?),
            None => None,
        };
        let link = NatsLink::new(client, happened, &prefix, kept).await?;
        Ok(Box::new(link))
    }
}

impl Bus for NatsBus {
    fn connect(&self) -> BoxFuture<'static, Result<Box<dyn Link>, BoxError>> {
        let bus = self.clone();
        Box::pin(async move { Ok(bus.connect().await?) })
    }

    fn has_history(&self) -> bool {
        self.settings.history.is_some()
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus")
            .field("place", &self.place)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Reads the credentials from the URL: a user and a password, or a token alone.
fn auth(url: &Url) -> Option<Auth> {
    let decoded = |part: &str| {
        let text = percent_decode_str(part).decode_utf8();
        text.ok().map(Cow::into_owned)
    };
    let mut auth = Auth::new();
    let user = decoded(url.username())?;
    match url.password() {
        Some(password) => {
            auth.username = Some(user);
            auth.password = Some(decoded(password)?);
        }
        None if !user.is_empty() => auth.token = Some(user),
        None => {}
    }
    Some(auth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_from_urls() {
        let user = Some("ann");
        for (url, expected) in [
            ("nats://127.0.0.1", [None, None, None]),
            ("nats://127.0.0.1:4222/", [None, None, None]),
            ("nats://ann:a%40b@localhost", [user, Some("a@b"), None]),
            ("tls://s3cret@[::1]:4222", [None, None, Some("s3cret")]),
        ] {
            let bus = NatsBus::new(url, BusSettings::default()).unwrap();
            let Auth {
                username,
                password,
                token,
                ..
            } = bus.auth;
            let found = [&username, &password, &token].map(|part| part.as_deref());
            assert_eq!(found, expected, "{url}");
            let address = bus.address.as_url_str();
            assert!(!address.contains("s3cret") && !address.contains("ann"));
        }
    }

    #[test]
    fn other_urls_are_refused_without_their_secrets() {
        for url in [
            "nats:",
            "nats://",
            "http://127.0.0.1",
            "nats://127.0.0.1/x",
            "nats://ann:secret@127.0.0.1?tls=1",
        ] {
            let error = NatsBus::new(url, BusSettings::default()).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
