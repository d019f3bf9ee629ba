//! Threads that serve: each has a runtime and listening sockets of its own, so a connection never
//! changes its thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use super::drain::{Connections, Drained};
use super::gateway::Gateway;
use super::listener;

/// How many tasks a thread runs before it asks the kernel for more events. Measured with 1,000
/// connections that each send one message at a time: 61, the default, costs 5 to 10 % more.
const EVENT_INTERVAL: u32 = 256;

/// How many events it takes at once: what has been looked at for an event, here and in the kernel, is
/// still in the cache when its task runs. 1,024, the default, fetches one line in twelve twice.
const EVENTS: usize = 128;

/// Worker threads that serve one gateway on some addresses.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<thread::JoinHandle<io::Result<Drained>>>,
    addresses: Vec<SocketAddr>,
    /// The sockets that the threads listen on, and their connections. They are told from here to
    /// end: a thread that has much to do comes to it late.
    listening: Vec<(std::net::TcpListener, Arc<Connections>)>,
    stop: CancellationToken,
}

/// Why workers could not be started. Nothing listens and no thread is left then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A thread cannot be spawned.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl Workers {
    /// Binds the addresses and starts `count` workers. After [`stop`](Self::stop), connections
    /// have until the deadline to close.
    ///
    /// # Errors
    ///
    /// An address cannot be bound, or a thread not started.
    pub fn start(
        gateway: &Gateway,
        addresses: &[SocketAddr],
        count: usize,
        deadline: Duration,
    ) -> Result<Self, StartError> {
        let mut sockets: Vec<Vec<_>> = (0..count).map(|_| vec![]).collect();
        let mut workers = Self {
            threads: Vec::new(),
            addresses: Vec::new(),
            listening: Vec::new(),
            stop: CancellationToken::new(),
        };
        for &address in addresses {
            let failed = |source| StartError::Bind { address, source };
            let listeners = listener::bind(address, count).map_err(failed)?;
            let local = listeners.first().map(std::net::TcpListener::local_addr);
            let local = local.transpose().map_err(failed)?;
            workers.addresses.push(local.unwrap_or(address));
            for (sockets, listener) in sockets.iter_mut().zip(listeners) {
                let connections = gateway.connections();
                let copy = listener.try_clone().map_err(failed)?;
                workers.listening.push((copy, Arc::clone(&connections)));
                sockets.push((listener, connections));
            }
        }
        for (number, sockets) in sockets.into_iter().enumerate() {
            let (gateway, stop) = (gateway.clone(), workers.stop.clone());
            let thread = thread::Builder::new().name(format!("worker-{number}"));
            let spawned = thread.spawn(move || run(sockets, &gateway, &stop, deadline));
            match spawned {
                Ok(thread) => workers.threads.push(thread),
                Err(error) => {
                    // Those that run already have no connections that are worth a word.
                    workers.stop();
                    let _ = workers.join();
                    return Err(StartError::Thread(error));
                }
            }
        }
        Ok(workers)
    }

    /// Where the workers listen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Tells the workers to drain and end. From now on nothing listens.
    pub fn stop(&self) {
        for (listener, connections) in &self.listening {
            listener::shut(listener);
            connections.close();
        }
        self.stop.cancel();
    }

    /// Waits for the workers to end; blocks the thread.
    ///
    /// # Errors
    ///
    /// A worker failed.
    pub fn join(self) -> io::Result<Drained> {
        let panicked = |_| io::Error::other("a thread that serves panicked");
        let threads = self.threads.into_iter();
        let drained = threads.map(|thread| thread.join().map_err(panicked)?);
        Ok(total(drained.collect::<io::Result<Vec<_>>>()?))
    }
}

fn total(drained: Vec<Drained>) -> Drained {
    let cut = drained.into_iter().map(|drained| drained.cut).sum();
    Drained { cut }
}

/// What a worker does.
fn run(
    sockets: Vec<(std::net::TcpListener, Arc<Connections>)>,
    gateway: &Gateway,
    stop: &CancellationToken,
    deadline: Duration,
) -> io::Result<Drained> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .max_io_events_per_tick(EVENTS)
        .build()?;
    let drained = runtime.block_on(async {
        let serve = |(listener, connections)| {
            let listener = TcpListener::from_std(listener)?;
            let gateway = gateway.clone();
            Ok(gateway.serve_among(connections, listener, stop.cancelled(), deadline))
        };
        let serving = sockets.into_iter().map(serve);
        let serving = serving.collect::<io::Result<Vec<_>>>()?;
        Ok(total(join_all(serving).await))
    });
    // The look-up of a name may take for ever, and nobody wants to know any more.
    runtime.shutdown_background();
    drained
}
