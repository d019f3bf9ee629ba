//! TLS on the server side.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use polysock_protocols::WriteBuf;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::choice::{Refusal, Stack, read_hello};
use super::encryption::Encryption;
use super::pem::PemError;
use super::server::Server;
use super::settings::ServerSettings;
use crate::stamp::{Looked, Stamp};
use crate::transport::io::Io;
use crate::transport::linger::{CloseOrder, linger};
use crate::transport::rewind::Rewind;

/// The TLS configuration of a port. Clones share it.
///
/// Certificates and keys are read again when their files change. The files are checked when a
/// client connects, at most once a second. Errors in them are logged, and the previous ones stay in
/// use.
///
/// Sessions are resumed across threads: by tickets (RFC 5077, RFC 8446 §4.6.1), whose keys are kept
/// in memory only and change every six hours, or by session ids in TLS 1.2.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use polysock::apps::echo;
/// use polysock::{Gateway, PortSettings, Site, tls};
///
/// let settings = PortSettings {
///     tls: Some(tls::Acceptor::read("site.pem", "site.key")?),
///     ..PortSettings::default()
/// };
/// let gateway = Gateway::with_site(Site::new(echo), settings);
/// gateway.listen("0.0.0.0:443").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Acceptor {
    shared: Arc<Shared>,
}

struct Shared {
    settings: ServerSettings,
    current: Mutex<Current>,
}

/// The certificates and keys that were read last.
struct Current {
    server: Arc<Server>,
    /// The state of the files when they were read.
    stamps: Vec<Stamp>,
    /// The time of the last check for changes.
    looked: Looked,
    failing: Option<Failing>,
}

/// The state of files that cannot be used now.
struct Failing {
    since: Instant,
    is_told: bool,
}

/// The time for which files may be unusable before that is logged: a certificate and its key are
/// replaced one after the other.
const REPLACING: Duration = Duration::from_secs(2);

impl Acceptor {
    /// Reads the files that the settings name; blocks.
    ///
    /// # Errors
    ///
    /// A file cannot be read or lacks its certificate or key, or a key does not match its
    /// certificate.
    pub fn new(settings: ServerSettings) -> Result<Self, PemError> {
        let stamps = stamps(&settings);
        let server = Server::read(&settings, None)?;
        server.warn_of_times(&settings);
        let current = Current {
            server: Arc::new(server),
            stamps,
            looked: Looked::now(),
            failing: None,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                current: Mutex::new(current),
            }),
        })
    }

    /// Creates TLS 1.2 and 1.3 with one certificate and its key, from files in PEM form; blocks.
    ///
    /// # Errors
    ///
    /// The same as for [`new`](Self::new).
    pub fn read(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, PemError> {
        Self::new(ServerSettings::new(certificate, key))
    }

    /// Reads the files again, whether or not they have changed; blocks. Open connections are not
    /// affected. Sessions can still be resumed, unless the authorities for client certificates have
    /// changed.
    ///
    /// # Errors
    ///
    /// The same as for [`new`](Self::new). The previous certificates and keys stay in use.
    pub fn read_again(&self) -> Result<(), PemError> {
        self.shared.read_again(stamps(&self.shared.settings))
    }

    /// Returns the files of the certificates in use, and when each expires.
    pub fn ends(&self) -> Vec<(PathBuf, SystemTime)> {
        let server = Arc::clone(&self.shared.lock().server);
        server.ends(&self.shared.settings)
    }

    /// Returns the settings that the acceptor was created from.
    pub fn settings(&self) -> &ServerSettings {
        &self.shared.settings
    }

    /// Performs the handshake of a client. `come` contains the bytes received so far, `client` is
    /// the client's address. If the handshake fails, the client receives an alert with the reason.
    ///
    /// # Errors
    ///
    /// The handshake fails, or the client disconnects.
    pub(crate) async fn accept(
        &self,
        mut transport: Io,
        come: Bytes,
        client: Option<SocketAddr>,
        http2: bool,
    ) -> io::Result<(Io, Encryption)> {
        let settings = &self.shared.settings;
        let (hello, come) = read_hello(&mut transport, come).await?;
        let stack = hello
            .map_err(Refusal::from)
            .and_then(|hello| Stack::choose(settings, &hello, client));
        let stack = match stack {
            Ok(stack) => stack,
            Err(Refusal { reason, alert }) => {
                let mut last = WriteBuf::new();
                last.put_slice(&alert);
                linger(transport, last, CloseOrder::WeFirst);
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        };
        let server = self.server().await;
        let transport = Rewind::of(come, Box::new(transport));
        let min_version = settings.min_version_for(client);
        let accepted = match stack {
            Stack::Rustls => server.accept(transport, http2).await,
            #[cfg(feature = "legacy-tls")]
            Stack::S2n => server.accept_legacy(transport).await,
        };
        match accepted {
            Ok((stream, agreed)) => Ok((stream, Encryption::new(agreed, min_version))),
            Err((error, transport)) => {
                // The stack has written the alert already.
                let transport = *transport.into_inner();
                linger(transport, WriteBuf::new(), CloseOrder::WeFirst);
                Err(error)
            }
        }
    }

    /// Returns the configuration for the next client.
    async fn server(&self) -> Arc<Server> {
        if self.shared.is_due() {
            let shared = Arc::clone(&self.shared);
            // A disk may be slow, and this thread serves other clients meanwhile.
            let _ = spawn_blocking(move || shared.look()).await;
        }
        Arc::clone(&self.shared.lock().server)
    }
}

impl Shared {
    /// True if the caller must check whether the files have changed.
    fn is_due(&self) -> bool {
        self.lock().looked.is_due()
    }

    /// Reads the files again if they have changed.
    fn look(&self) {
        let stamps = stamps(&self.settings);
        let is_same = {
            let current = self.lock();
            current.failing.is_none()
                && current.stamps == stamps
                && stamps.iter().all(Stamp::is_old)
                && !current.server.is_old()
        };
        if is_same {
            return;
        }
        let Err(error) = self.read_again(stamps) else {
            return;
        };
        let mut current = self.lock();
        let failing = current.failing.get_or_insert_with(|| Failing {
            since: Instant::now(),
            is_told: false,
        });
        if !failing.is_told && failing.since.elapsed() >= REPLACING {
            failing.is_told = true;
            warn!("cannot reload the certificates, the old ones stay in use: {error}");
        }
    }

    fn read_again(&self, stamps: Vec<Stamp>) -> Result<(), PemError> {
        let before = Arc::clone(&self.lock().server);
        let server = Server::read(&self.settings, Some(&before))?;
        let mut current = self.lock();
        let had_failed = current
            .failing
            .take()
            .is_some_and(|failing| failing.is_told);
        if server.differs(&before) || had_failed {
            for identity in &self.settings.identities {
                info!("certificate reloaded: {}", identity.certificate.display());
            }
            server.warn_of_times(&self.settings);
        }
        current.server = Arc::new(server);
        current.stamps = stamps;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        // Each field is replaced as a whole, so a panic cannot corrupt the state.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the present state of the files; missing files are left out.
fn stamps(settings: &ServerSettings) -> Vec<Stamp> {
    let files = settings.files().cloned();
    files.filter_map(|file| Stamp::of(file).ok()).collect()
}

/// Keys are secrets: only their paths are shown.
impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acceptor")
            .field(&self.shared.settings)
            .finish()
    }
}
