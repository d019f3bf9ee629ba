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

/// The maximum number of bytes of an answer that are read ahead. hyper reads more at a time the
/// more data is available. With 64 KiB, an answer of that size costs a third more.
const READ_AHEAD: usize = 256 * 1024;

/// The number of fields for which hyper has room by default. For any other number it allocates
/// memory.
const MAX_FIELDS: usize = 100;

/// The unused connections to one server. Each thread has its own, as a connection stays on the
/// thread that opened it. Clones share the connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    id: u64,
    /// The number of connections that a thread keeps, and for how long.
    max: usize,
    timeout: Duration,
}

/// A connection to a web server.
#[derive(Debug)]
pub(super) struct Pooled {
    pub(super) sender: SendRequest<Upload>,
    /// The number of the TLS settings that it was opened with, which changes when they are
    /// replaced.
    tls: u64,
    /// Fires when the server takes too long.
    pub(super) alarm: Alarm,
    /// The time for which the server keeps the connection; `None` if the server does not say.
    kept_for: Option<Duration>,
    /// The time since which the connection is idle; `None` before its first answer.
    since: Option<Instant>,
}

/// The unused connections of one thread to one server, the most recent last.
#[derive(Default)]
struct Idle {
    connections: Vec<Pooled>,
    /// Whether a task closes the connections that are too old.
    is_swept: bool,
}

thread_local! {
    static IDLE: RefCell<HashMap<u64, Idle>> = RefCell::default();
}

impl Pool {
    /// Creates an empty pool.
    pub(super) fn new(max: usize, timeout: Duration) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            max,
            timeout,
        }
    }

    /// Returns the most recently used connection that is open and has these TLS settings, if any.
    pub(super) fn take(&self, tls: u64) -> Option<Pooled> {
        IDLE.with_borrow_mut(|pools| {
            let idle = pools.get_mut(&self.id)?;
            // A connection that is not ready is closed, or its server sends data without a request.
            let mut kept = std::iter::from_fn(|| idle.connections.pop());
            kept.find(|kept| kept.tls == tls && kept.sender.is_ready() && !kept.is_due())
        })
    }

    /// Keeps a connection whose last answer is complete.
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

    /// Closes connections of this thread as they get too old, until none is left.
    fn sweep(self, mut oldest: Instant) -> impl Future<Output = ()> + Send {
        /// Removes the connections of the thread when the task ends, so that a later task can start
        /// even if this one ends with its runtime.
        struct Sweeping(u64);
        impl Drop for Sweeping {
            fn drop(&mut self) {
                // The thread may be ending.
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
    /// Opens a connection with these TLS settings. A task of its own reads and writes, and ends
    /// with the connection.
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

    /// Records for how long the server keeps the connection, according to the fields of an answer.
    /// A request that arrives after that may be lost, so the last second is not used.
    pub(super) fn note_kept(&mut self, answer: &HeaderMap) {
        // Most answers have no such field.
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

    /// True if the server is about to close the connection.
    fn is_due(&self) -> bool {
        let until = self.kept_for.zip(self.since);
        until.is_some_and(|(kept_for, since)| since.elapsed() >= kept_for)
    }
}
