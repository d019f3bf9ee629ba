//! The address of a TCP server. Clients that connect at the same time share one look-up of its
//! name.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::UpstreamError;
use crate::transport::watch;

/// The time for which the result of a look-up is used.
const FOUND: Duration = Duration::from_secs(10);

/// The time after a failed look-up during which no other is made.
const FAILED: Duration = Duration::from_secs(1);

/// The address of a TCP server, `HOST:PORT`. Clones share the results of look-ups.
#[derive(Clone)]
pub(super) struct Address {
    shared: Arc<Shared>,
}

struct Shared {
    /// `HOST:PORT`.
    text: String,
    /// The networks that may be dialled; all if empty.
    allow: Vec<IpNet>,
    look_up: LookUp,
    known: Mutex<LookUpState>,
    /// Notified when a look-up has ended.
    ended: Notify,
}

/// A function that finds the addresses of `HOST:PORT`; blocks.
type LookUp = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// The state of the look-up.
enum LookUpState {
    Nothing,
    /// A thread is looking up the addresses.
    Pending,
    /// The time and the result of the last look-up.
    Resolved(Instant, Result<Arc<[SocketAddr]>, (io::ErrorKind, String)>),
}

impl Address {
    /// Creates an address from `HOST:PORT`. Only networks in `allow` may be dialled, unless it is
    /// empty.
    pub(super) fn new(text: String, allow: Vec<IpNet>) -> Self {
        Self::with_look_up(text, allow, |text| Ok(text.to_socket_addrs()?.collect()))
    }

    fn with_look_up(text: String, allow: Vec<IpNet>, look_up: LookUp) -> Self {
        Self {
            shared: Arc::new(Shared {
                text,
                allow,
                look_up,
                known: Mutex::new(LookUpState::Nothing),
                ended: Notify::new(),
            }),
        }
    }

    /// Returns `HOST:PORT`.
    #[cfg(feature = "tls")]
    pub(super) fn text(&self) -> &str {
        &self.shared.text
    }

    /// Connects. The kernel gives up the connection when the server no longer answers, as set by
    /// [`watch`].
    pub(super) async fn connect(&self, keep_alive: Duration) -> Result<TcpStream, UpstreamError> {
        let failed = |error| UpstreamError::Connect {
            address: self.shared.text.clone(),
            error,
        };
        let addresses = self.addresses().await.map_err(failed)?;
        let stream = if self.shared.allow.is_empty() {
            TcpStream::connect(&*addresses).await
        } else {
            // The addresses are checked rather than the name, which may have others a moment later.
            let may_be_dialled = |address: &&SocketAddr| self.shared.allows(address);
            let allowed: Vec<_> = addresses.iter().filter(may_be_dialled).copied().collect();
            if allowed.is_empty() {
                return Err(UpstreamError::NotAllowed);
            }
            TcpStream::connect(&*allowed).await
        };
        let stream = stream.map_err(failed)?;
        stream.set_nodelay(true)?;
        watch(&SockRef::from(&stream), keep_alive)?;
        Ok(stream)
    }

    /// Waits for the addresses.
    async fn addresses(&self) -> io::Result<Arc<[SocketAddr]>> {
        // An IP address needs neither a look-up nor the cache.
        if let Ok(address) = self.shared.text.parse::<SocketAddr>() {
            return Ok([address].into());
        }
        loop {
            // Created before the check, so that a look-up that ends in between is noticed.
            let ended = self.shared.ended.notified();
            if let Some(told) = self.told()? {
                return told;
            }
            ended.await;
        }
    }

    /// Returns the result of the last look-up if it is recent. Otherwise returns `None`, and a
    /// thread looks up the name.
    fn told(&self) -> io::Result<Option<io::Result<Arc<[SocketAddr]>>>> {
        let mut known = self.shared.lock();
        match &*known {
            LookUpState::Pending => return Ok(None),
            LookUpState::Resolved(at, Ok(found)) if at.elapsed() < FOUND => {
                return Ok(Some(Ok(Arc::clone(found))));
            }
            LookUpState::Resolved(at, Err((kind, text))) if at.elapsed() < FAILED => {
                return Ok(Some(Err(io::Error::new(*kind, text.clone()))));
            }
            LookUpState::Nothing | LookUpState::Resolved(..) => {}
        }
        let shared = Arc::clone(&self.shared);
        // A thread of its own: the client may hang up, and a runtime that ends would wait for its
        // blocking tasks.
        thread::Builder::new()
            .name("look-up".into())
            .spawn(move || shared.look_up())?;
        *known = LookUpState::Pending;
        Ok(None)
    }
}

impl Shared {
    fn allows(&self, address: &SocketAddr) -> bool {
        // An IPv4-mapped IPv6 address is dialled as IPv4.
        let address = address.ip().to_canonical();
        self.allow.iter().any(|network| network.contains(&address))
    }

    fn look_up(&self) {
        let found = match (self.look_up)(&self.text) {
            Ok(found) if !found.is_empty() => Ok(found.into()),
            Ok(_) => Err((io::ErrorKind::NotFound, "the host has no address".into())),
            Err(error) => Err((error.kind(), error.to_string())),
        };
        *self.lock() = LookUpState::Resolved(Instant::now(), found);
        self.ended.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, LookUpState> {
        // The state is replaced as a whole, so a panic cannot break it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shared.text).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn simultaneous_and_soon_repeated_look_ups_are_shared() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let address = Address::with_look_up("a.example:80".into(), Vec::new(), |_| {
            COUNT.fetch_add(1, Ordering::SeqCst);
            Ok(vec![([127, 0, 0, 1], 80).into()])
        });
        for _ in 0..2 {
            for found in join_all((0..100).map(|_| address.addresses())).await {
                assert_eq!(found.unwrap().len(), 1);
            }
        }
        assert_eq!(COUNT.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_kernel_detects_a_dead_server_by_keep_alive_and_user_timeout() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::new(listener.local_addr().unwrap().to_string(), Vec::new());
        let stream = address.connect(Duration::from_secs(7)).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(7));
        let patience = socket.tcp_user_timeout().unwrap();
        assert_eq!(patience, Some(Duration::from_secs(14)));
    }

    #[tokio::test]
    async fn only_addresses_in_the_allowed_networks_are_dialled() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        for (text, networks, is_allowed) in [
            ("127.0.0.1", &["127.0.0.0/8"][..], true),
            ("127.0.0.1", &["10.0.0.0/8", "127.0.0.1/32"], true),
            ("127.0.0.1", &["10.0.0.0/8"], false),
            ("127.0.0.1", &["::/0"], false),
            ("[::ffff:127.0.0.1]", &["127.0.0.0/8"], true),
            ("[::ffff:127.0.0.1]", &["::/0"], false),
            ("a.example", &["127.0.0.0/8"], true),
            ("a.example", &["192.0.2.0/24"], false),
        ] {
            let networks = networks.iter().map(|network| network.parse().unwrap());
            let text = format!("{text}:{port}");
            let address = Address::with_look_up(text.clone(), networks.collect(), |text| {
                let port = text.rsplit(':').next().unwrap().parse().unwrap();
                Ok(vec![([127, 0, 0, 1], port).into()])
            });
            let connected = address.connect(Duration::from_secs(7)).await;
            match connected {
                Ok(_) => assert!(is_allowed, "{text}"),
                Err(UpstreamError::NotAllowed) => assert!(!is_allowed, "{text}"),
                Err(error) => panic!("{text}: {error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_failed_look_up_is_cached_briefly() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let address = Address::with_look_up("a.example:80".into(), Vec::new(), |_| {
            COUNT.fetch_add(1, Ordering::SeqCst);
            Err(io::Error::new(io::ErrorKind::NotFound, "no such host"))
        });
        for _ in 0..100 {
            let error = address.addresses().await.unwrap_err();
            assert_eq!(error.to_string(), "no such host");
        }
        assert_eq!(COUNT.load(Ordering::SeqCst), 1);
        if let LookUpState::Resolved(at, _) = &mut *address.shared.lock() {
            *at = at.checked_sub(FAILED).unwrap();
        }
        assert!(address.addresses().await.is_err());
        assert_eq!(COUNT.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_look_up_goes_on_if_its_first_caller_is_dropped() {
        let address = Address::with_look_up("a.example:80".into(), Vec::new(), |_| {
            Ok(vec![([127, 0, 0, 1], 80).into()])
        });
        let mut first = Box::pin(address.addresses());
        let _ = futures_util::poll!(&mut first);
        drop(first);
        assert!(address.addresses().await.is_ok());
    }
}
