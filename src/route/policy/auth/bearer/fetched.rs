//! A JWK set that is fetched from a web server.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{Request, StatusCode};
use polysock_protocols::hide_secrets;
use tokio::time::timeout;
use tracing::{info, warn};

use super::key::Key;
use crate::error::BoxError;
use crate::http::Body;
use crate::upstream::{HttpUpstream, UpstreamSettings, UrlError};

/// The JWK set of a web server, as last fetched.
pub(super) struct Fetched {
    shared: Arc<Shared>,
}

struct Shared {
    server: HttpUpstream,
    shown: String,
    refresh: Duration,
    known: Mutex<Cached>,
    /// Locked during a fetch.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Cached {
    keys: Option<Arc<Vec<Key>>>,
    fetched: Option<Instant>,
    /// The time of the last attempt; `None` if there was none.
    tried: Option<Instant>,
    has_failed: bool,
}

/// The shortest time between two attempts, regardless of the keys that tokens name.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest time that a fetch may take in total.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest JWK set, in bytes.
const MAX_LEN: usize = 1 << 20;

impl Fetched {
    pub(super) fn new(
        url: &str,
        refresh: Duration,
        settings: UpstreamSettings,
    ) -> Result<Self, UrlError> {
        Ok(Self {
            shared: Arc::new(Shared {
                server: HttpUpstream::asked_by_us(url, settings)?,
                shown: hide_secrets(url).into_owned(),
                refresh,
                known: Mutex::default(),
                fetching: Arc::default(),
            }),
        })
    }

    /// Returns the keys; `None` if there are none. Waits for a fetch if there are none, and starts
    /// one in the background if they are old.
    pub(super) async fn now(&self) -> Option<Arc<Vec<Key>>> {
        let (keys, age) = {
            let known = self.shared.lock();
            (known.keys.clone(), known.fetched.map(|when| when.elapsed()))
        };
        if keys.is_none() {
            self.fetch(true).await;
            return self.shared.lock().keys.clone();
        }
        if age.is_none_or(|age| age >= self.shared.refresh) {
            self.fetch(false).await;
        }
        keys
    }

    /// Returns the keys after fetching them again, unless the last attempt was just before.
    pub(super) async fn newer(&self) -> Option<Arc<Vec<Key>>> {
        self.fetch(true).await;
        self.shared.lock().keys.clone()
    }

    /// Fetches the keys, unless a fetch is running or was just tried. With `waits`, waits for its
    /// end.
    async fn fetch(&self, waits: bool) {
        match Arc::clone(&self.shared.fetching).try_lock_owned() {
            Ok(turn) if self.shared.is_due() => {
                let shared = Arc::clone(&self.shared);
                // A separate task, so that a client that disconnects does not cancel the fetch.
                let task = tokio::spawn(async move {
                    shared.fetch().await;
                    drop(turn);
                });
                if waits {
                    let _ = task.await;
                }
            }
            Ok(_) => {}
            Err(_) if waits => drop(self.shared.fetching.lock().await),
            Err(_) => {}
        }
    }
}

impl Shared {
    /// True if the caller has to fetch. Records the attempt.
    fn is_due(&self) -> bool {
        let tried = &mut self.lock().tried;
        let is_due = tried.is_none_or(|tried| tried.elapsed() >= PAUSE);
        if is_due {
            *tried = Some(Instant::now());
        }
        is_due
    }

    async fn fetch(&self) {
        let late = || Err("no answer in time".into());
        let asked = timeout(PATIENCE, self.ask());
        let read = asked.await.unwrap_or_else(|_| late());
        let parsed = read.and_then(|bytes| Ok(Key::of_set(&bytes)?));
        let mut known = self.lock();
        match parsed {
            Ok(keys) => {
                if std::mem::take(&mut known.has_failed) || known.keys.is_none() {
                    info!(url = self.shown, count = keys.len(), "token keys fetched");
                }
                known.keys = Some(Arc::new(keys));
                known.fetched = Some(Instant::now());
            }
            Err(error) => {
                if !std::mem::replace(&mut known.has_failed, true) {
                    warn!(url = self.shown, %error, "token keys cannot be fetched");
                }
            }
        }
    }

    async fn ask(&self) -> Result<Bytes, BoxError> {
        let request = Request::get("/").header("accept", "application/json");
        let request = request.body(Body::from(Bytes::new()))?;
        let answer = self
            .server
            .send(request)
            .await
            .map_err(|failed| failed.error)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the server answered {}", answer.status()).into());
        }
        let body = Limited::new(answer.into_body(), MAX_LEN);
        Ok(body.collect().await?.to_bytes())
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        // Each field is replaced as a whole, so a panic cannot leave it broken.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fetched").field(&self.shared.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that returns this set, or fails if there is none, and counts its requests.
    #[derive(Clone, Default)]
    struct Server(Arc<Mutex<(Option<&'static str>, u32)>>);

    impl Server {
        async fn start(set: Option<&'static str>) -> (Self, String) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/keys", listener.local_addr().unwrap());
            let server = Self::default();
            server.0.lock().unwrap().0 = set;
            let of = server.clone();
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        stream.read_buf(&mut head).await.unwrap();
                    }
                    assert!(head.starts_with(b"GET /keys HTTP/1.1\r\n"));
                    let answer = of.answer();
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
            (server, url)
        }

        fn answer(&self) -> String {
            let mut state = self.0.lock().unwrap();
            state.1 += 1;
            let (status, body) = match state.0 {
                Some(set) => ("200 OK", set),
                None => ("500 Internal Server Error", ""),
            };
            let len = body.len();
            format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}")
        }

        fn has(&self, set: Option<&'static str>) {
            self.0.lock().unwrap().0 = set;
        }

        fn asked(&self) -> u32 {
            self.0.lock().unwrap().1
        }
    }

    const ONE: &str =
        r#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#;
    const TWO: &str = r#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"},
        {"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#;

    fn let_time_pass(fetched: &Fetched) {
        let mut known = fetched.shared.lock();
        let before = |when: Instant| when.checked_sub(PAUSE).unwrap();
        known.tried = known.tried.map(before);
        known.fetched = known.fetched.map(before);
    }

    fn count(keys: Option<Arc<Vec<Key>>>) -> Option<usize> {
        keys.map(|keys| keys.len())
    }

    fn fetched(url: &str, refresh: Duration) -> Fetched {
        Fetched::new(url, refresh, UpstreamSettings::default()).unwrap()
    }

    #[tokio::test]
    async fn keys_are_fetched_when_they_are_needed_and_kept_when_the_server_fails() {
        let (server, url) = Server::start(None).await;
        let keys = fetched(&url, PAUSE * 100);
        assert_eq!(count(keys.now().await), None);
        server.has(Some(ONE));
        assert_eq!(count(keys.now().await), None, "it was just tried");
        assert_eq!(server.asked(), 1);
        let_time_pass(&keys);
        let (one, other) = tokio::join!(keys.now(), keys.now());
        assert_eq!((count(one), count(other)), (Some(1), Some(1)));
        assert_eq!(server.asked(), 2, "for both of them");
        // A token names an unknown key.
        server.has(Some(TWO));
        assert_eq!(count(keys.newer().await), Some(1), "it was just tried");
        let_time_pass(&keys);
        assert_eq!(count(keys.now().await), Some(1), "they are not old");
        assert_eq!(count(keys.newer().await), Some(2));
        for bad in [None, Some("{}"), Some("no JSON")] {
            server.has(bad);
            let_time_pass(&keys);
            assert_eq!(count(keys.newer().await), Some(2));
        }
        assert_eq!(server.asked(), 6);
    }

    #[tokio::test]
    async fn old_keys_are_valid_until_newer_ones_are_fetched() {
        let (server, url) = Server::start(Some(ONE)).await;
        let keys = fetched(&url, PAUSE);
        assert_eq!(count(keys.now().await), Some(1));
        server.has(Some(TWO));
        let_time_pass(&keys);
        // The caller does not wait for the fetch.
        assert_eq!(count(keys.now().await), Some(1));
        drop(keys.shared.fetching.lock().await);
        assert_eq!(count(keys.now().await), Some(2));
        assert_eq!(server.asked(), 2);
    }

    #[tokio::test]
    async fn a_key_set_that_is_too_long_is_rejected() {
        let long = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(MAX_LEN));
        let (_server, url) = Server::start(Some(long.leak())).await;
        assert_eq!(count(fetched(&url, PAUSE).now().await), None);
    }
}
