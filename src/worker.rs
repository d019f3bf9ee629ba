//! Threads that serve: each has a runtime and listening sockets of its own, so a connection never
//! changes its thread.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::gateway::{Drained, Gateway};
use crate::listener;

/// How many tasks a thread runs before it asks the kernel for more events. Measured with 1,000
/// connections that each send one message at a time: 61, the default, costs 5 to 10 % more.
const EVENT_INTERVAL: u32 = 256;

/// How many events it takes at once: what has been looked at for an event, here and in the kernel, is
/// still in the cache when its task runs. 1,024, the default, fetches one line in twelve twice.
const EVENTS: usize = 128;

/// Worker threads that serve one gateway on some addresses.
#[derive(Debug)]
pub struct Workers {
    threads: Threads<Drained>,
}

impl Workers {
    /// Binds the addresses and starts `count` workers. After [`stop`](Self::stop), connections
    /// have until the deadline to close.
    ///
    /// # Errors
    ///
    /// An address cannot be bound: the error and the address.
    pub fn start(
        gateway: &Gateway,
        addresses: &[SocketAddr],
        count: usize,
        deadline: Duration,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let gateway = gateway.clone();
        let serve = move |listeners: Vec<TcpListener>, stop: CancellationToken| {
            let gateway = gateway.clone();
            async move {
                let serve = |listener| gateway.clone().serve(listener, stop.cancelled(), deadline);
                total(join_all(listeners.into_iter().map(serve)).await)
            }
        };
        let threads = Threads::start("worker", addresses, count, serve)?;
        Ok(Self { threads })
    }

    /// Where the workers listen.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.threads.addresses()
    }

    /// Tells the workers to drain and end.
    pub fn stop(&self) {
        self.threads.stop();
    }

    /// Waits for the workers to end; blocks the thread.
    ///
    /// # Errors
    ///
    /// A worker failed.
    pub fn join(self) -> io::Result<Drained> {
        Ok(total(self.threads.join()?))
    }
}

fn total(drained: Vec<Drained>) -> Drained {
    let cut = drained.into_iter().map(|drained| drained.cut).sum();
    Drained { cut }
}

/// Threads that listen on the same addresses.
#[derive(Debug)]
pub(crate) struct Threads<T> {
    threads: Vec<thread::JoinHandle<io::Result<T>>>,
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
}

impl<T: Send + 'static> Threads<T> {
    /// Binds the addresses and starts `count` threads, which serve until they are done; the token
    /// tells them to come to an end.
    ///
    /// # Errors
    ///
    /// An address cannot be bound: the error and the address.
    pub(crate) fn start<F: Future<Output = T>>(
        name: &str,
        addresses: &[SocketAddr],
        count: usize,
        serve: impl Fn(Vec<TcpListener>, CancellationToken) -> F + Clone + Send + 'static,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let stop = CancellationToken::new();
        let mut sockets: Vec<Vec<std::net::TcpListener>> = (0..count).map(|_| vec![]).collect();
        let mut bound = Vec::new();
        for address in addresses {
            let failed = |error| (*address, error);
            let listeners = listener::bind(*address, count).map_err(failed)?;
            let local = listeners.first().map(std::net::TcpListener::local_addr);
            bound.push(local.transpose().map_err(failed)?.unwrap_or(*address));
            for (sockets, listener) in sockets.iter_mut().zip(listeners) {
                sockets.push(listener);
            }
        }
        let start_one = |(number, sockets)| {
            let (serve, stop) = (serve.clone(), stop.clone());
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || run(sockets, |listeners| serve(listeners, stop)))
        };
        let threads = sockets.into_iter().enumerate().map(start_one);
        let threads = threads.collect::<io::Result<Vec<_>>>();
        let any = addresses.first().copied();
        let threads = threads.map_err(|error| (any.unwrap_or(([0; 4], 0).into()), error))?;
        Ok(Self {
            threads,
            addresses: bound,
            stop,
        })
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the threads to end; blocks the caller's.
    ///
    /// # Errors
    ///
    /// One of them failed.
    pub(crate) fn join(self) -> io::Result<Vec<T>> {
        let panicked = |_| io::Error::other("a thread that serves panicked");
        let threads = self.threads.into_iter();
        threads
            .map(|thread| thread.join().map_err(panicked)?)
            .collect()
    }
}

/// What a thread does.
fn run<F: Future>(
    sockets: Vec<std::net::TcpListener>,
    serve: impl FnOnce(Vec<TcpListener>) -> F,
) -> io::Result<F::Output> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .max_io_events_per_tick(EVENTS)
        .build()?;
    runtime.block_on(async {
        let listeners = sockets.into_iter().map(TcpListener::from_std);
        let listeners = listeners.collect::<io::Result<_>>()?;
        Ok(serve(listeners).await)
    })
}
