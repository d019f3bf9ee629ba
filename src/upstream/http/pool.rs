//! Connections to a web server that are kept for the next request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{CONNECTION, HeaderMap};
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::super::{UpstreamError, UpstreamSettings};
use super::upload::Upload;
use crate::http::Alarm;
use crate::transport::Io;

/// How much of an answer is read ahead of who takes it, in bytes, at most: as much as is read at once grows
/// with what there is. With 64 KiB, an answer of that size costs a third more.
const READ_AHEAD: usize = 256 * 1024;

/// How many fields hyper takes by itself: it has room for these, and makes it for any other number.
const MAX_FIELDS: usize = 100;

/// The connections to one server that nobody uses at present. Each thread has its own: a connection
/// stays on the thread that it was opened on. Clones are the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    id: u64,
    /// How many a thread keeps, and how long.
    max: usize,
    timeout: Duration,
}

/// A connection to a web server.
#[derive(Debug)]
pub(super) struct Pooled {
    pub(super) sender: SendRequest<Upload>,
    /// Which TLS it is within, of those that were put in each other's place.
    tls: u64,
    /// Rings when its server takes too long.
    pub(super) alarm: Alarm,
    /// How long its server keeps it, if it says so.
    kept_for: Option<Duration>,
    /// Since when it is idle, if it has answered before.
    since: Option<Instant>,
}

/// Those of one thread and one server, the latest last.
#[derive(Default)]
struct Idle {
    connections: Vec<Pooled>,
    /// Whether a task ends those that are too old.
    is_swept: bool,
}

thread_local! {
    static IDLE: RefCell<HashMap<u64, Idle>> = RefCell::default();
}

impl Pool {
    /// A pool that has nothing yet.
    pub(super) fn new(max: usize, timeout: Duration) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            max,
            timeout,
        }
    }

    /// The connection that was used last, if it is still open, within this TLS.
    pub(super) fn take(&self, tls: u64) -> Option<Pooled> {
        IDLE.with_borrow_mut(|pools| {
            let idle = pools.get_mut(&self.id)?;
            // One that is not ready is closed, or its server sends what nobody asked for.
            let mut kept = std::iter::from_fn(|| idle.connections.pop());
            kept.find(|kept| kept.tls == tls && kept.sender.is_ready() && !kept.is_due())
        })
    }

    /// Keeps a connection whose last answer is over.
    pub(super) fn put(&self, mut connection: Pooled) {
        let now = Instant::now();
        connection.since = Some(now);
        if self.max == 0 || connection.is_due() || connection.sender.is_closed() {
            return;
        }
        IDLE.with_borrow_mut(|pools| {
            let idle = pools.entry(self.id).or_default();
            if idle.connections.len() >= self.max {
                idle.connections.remove(0);
            }
            idle.connections.push(connection);
            if !idle.is_swept
                && let Ok(runtime) = Handle::try_current()
            {
                idle.is_swept = true;
                runtime.spawn(self.sweep(now));
            }
        });
    }

    /// Ends connections of this thread as they get too old, until there are none.
    fn sweep(self, mut oldest: Instant) -> impl Future<Output = ()> + Send {
        /// Another task may begin, where this one ends with its runtime.
        struct Sweeping(u64);
        impl Drop for Sweeping {
            fn drop(&mut self) {
                // The thread may be at its end.
                let _ = IDLE.try_with(|pools| {
                    if let Ok(mut pools) = pools.try_borrow_mut() {
                        pools.remove(&self.0);
                    }
                });
            }
        }
        let sweeping = Sweeping(self.id);
        async move {
            let _sweeping = sweeping;
            loop {
                sleep_until(oldest + self.timeout).await;
                let now = Instant::now();
                let next = IDLE.with_borrow_mut(|pools| {
                    let idle = pools.get_mut(&self.id)?;
                    let is_young = |since: Instant| now.duration_since(since) < self.timeout;
                    idle.connections.retain(|kept| {
                        !kept.sender.is_closed() && kept.since.is_some_and(is_young)
                    });
                    idle.connections.first()?.since
                });
                match next {
                    Some(since) => oldest = since,
                    None => return,
                }
            }
        }
    }
}

impl Pooled {
    /// A new connection, within this TLS. What it reads and writes is done by a task of its own, which ends with it.
    pub(super) async fn open(
        transport: Io,
        tls: u64,
        settings: &UpstreamSettings,
    ) -> Result<Self, UpstreamError> {
        let mut builder = Builder::new();
        builder
            .title_case_headers(true)
            .max_buf_size(READ_AHEAD.max(settings.head.head));
        if settings.head.fields != MAX_FIELDS {
            builder.max_headers(settings.head.fields);
        }
        let opened = builder.handshake(TokioIo::new(transport)).await;
        let (sender, connection) = opened.map_err(UpstreamError::Http)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "connection to a web server failed");
            }
        });
        Ok(Self {
            sender,
            tls,
            alarm: Alarm::default(),
            kept_for: None,
            since: None,
        })
    }

    /// Notes how long its server keeps it, by the fields of an answer: a request that comes when that is
    /// over may be lost, so the last second of it is not used.
    pub(super) fn note_kept(&mut self, answer: &HeaderMap) {
        // Most say nothing of it.
        if !answer.contains_key(CONNECTION) {
            return;
        }
        let Some(parameters) = answer
            .get("keep-alive")
            .and_then(|field| field.to_str().ok())
        else {
            return;
        };
        let mut parameters = parameters.split(',');
        let timeout = parameters.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let seconds = value.trim().parse().ok()?;
            let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
            is_timeout.then(|| Duration::from_secs(seconds))
        });
        self.kept_for = timeout.map(|timeout| timeout.saturating_sub(Duration::from_secs(1)));
    }

    /// Whether its server is about to close it.
    fn is_due(&self) -> bool {
        let until = self.kept_for.zip(self.since);
        until.is_some_and(|(kept_for, since)| since.elapsed() >= kept_for)
    }
}
