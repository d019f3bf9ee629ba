//! Worker threads. Each has its own runtime and listening sockets, so a connection never changes
//! its thread.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use thiserror::Error;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::address::ListenAddress;
use super::drain::Drained;
use super::gateway::Gateway;
use super::listener::Listener;
use super::listening::Listening;
use super::pulse::Pulse;
use super::socket::ListeningSocket;

/// The number of tasks that a thread runs before it asks the kernel for more events. Measured with
/// 1,000 connections that each send one message at a time: 61, the default, costs 5 to 10 % more.
const EVENT_INTERVAL: u32 = 256;

/// The maximum number of events that are taken together. With few events, the memory that an event
/// touched, here and in the kernel, is still in the cache when its task runs. With 1,024, the
/// default, one cache line in twelve is fetched twice.
const EVENTS: usize = 128;

/// Worker threads that serve gateways on some addresses.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<Worker>,
    listeners: Vec<Served>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Worker {
    thread: thread::JoinHandle<io::Result<Drained>>,
    /// The channel for listeners that the worker is to serve.
    given: UnboundedSender<(Listener, Arc<Listening>)>,
    runtime: tokio::runtime::Handle,
}

/// An address that is served. The socket is shut down from here, because a busy thread would do it
/// late.
#[derive(Debug)]
struct Served {
    socket: ListeningSocket,
    /// The listener of each thread.
    by: Vec<Arc<Listening>>,
}

/// The reason why workers could not be started. Then nothing listens, and no thread is left.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: ListenAddress,
        /// The error of the system.
        source: io::Error,
    },
    /// A thread cannot be spawned.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl Workers {
    /// Starts this many workers, which have nothing to serve yet. After [`stop`](Self::stop),
    /// connections have until the deadline to close.
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub fn start(count: usize, deadline: Duration) -> Result<Self, StartError> {
        let mut workers = Self {
            threads: Vec::new(),
            listeners: Vec::new(),
            stop: CancellationToken::new(),
        };
        for number in 0..count {
            let stop = workers.stop.clone();
            let (given, to_serve) = unbounded_channel();
            let started = Builder::new_current_thread()
                .enable_all()
                .event_interval(EVENT_INTERVAL)
                .max_io_events_per_tick(EVENTS)
                .build()
                .and_then(|runtime| {
                    let handle = runtime.handle().clone();
                    let thread = thread::Builder::new().name(format!("worker-{number}"));
                    let run = move || Ok(run(runtime, to_serve, &stop, deadline));
                    Ok((thread.spawn(run)?, handle))
                });
            match started {
                Ok((thread, runtime)) => workers.threads.push(Worker {
                    thread,
                    given,
                    runtime,
                }),
                Err(error) => {
                    // The workers that already run have no connections, so their result does not
                    // matter.
                    workers.stop();
                    let _ = workers.join();
                    return Err(StartError::Thread(error));
                }
            }
        }
        Ok(workers)
    }

    /// Binds an address, and serves its connections with a gateway. Returns the bound address, in
    /// which a port of 0 is replaced.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub fn listen(
        &mut self,
        address: &ListenAddress,
        gateway: &Gateway,
    ) -> Result<ListenAddress, StartError> {
        let socket = ListeningSocket::bind(address, self.threads.len());
        let served = socket.and_then(|socket| {
            let bound = socket.address().clone();
            self.serve(socket, gateway)?;
            Ok(bound)
        });
        served.map_err(|source| StartError::Bind {
            address: address.clone(),
            source,
        })
    }

    /// Serves the connections of sockets that already listen with a gateway.
    ///
    /// # Errors
    ///
    /// No descriptors are left.
    pub fn serve(&mut self, socket: ListeningSocket, gateway: &Gateway) -> io::Result<()> {
        if let ListenAddress::Tcp(_) = socket.address() {
            socket.each(|socket| gateway.watch_clients(socket));
        }
        // Each thread has at least one socket, and each socket at least one thread.
        let mut listeners = Vec::new();
        for number in 0..self.threads.len().max(socket.count()) {
            let Some(worker) = self.threads.get(number % self.threads.len().max(1)) else {
                break;
            };
            let _context = worker.runtime.enter();
            let listening = Arc::new(Listening::new(Arc::clone(&gateway.port)));
            listening.share(socket.is_shared());
            let listener = Listener::new(socket.in_turn(number)?)?;
            listeners.push((worker, listener, listening));
        }
        let mut by = Vec::new();
        for (worker, listener, listening) in listeners {
            by.push(Arc::clone(&listening));
            // A worker that has ended serves nothing.
            let _ = worker.given.send((listener, listening));
        }
        self.listeners.push(Served { socket, by });
        Ok(())
    }

    /// Duplicates the descriptors of an address, for a process that will continue with its sockets.
    /// Returns none if the address is not served.
    ///
    /// # Errors
    ///
    /// No descriptors are left.
    pub fn descriptors(&self, address: &ListenAddress) -> io::Result<Vec<OwnedFd>> {
        let mut served = self.listeners.iter().map(|served| &served.socket);
        match served.find(|socket| socket.address() == address) {
            Some(socket) => socket.descriptors(),
            None => Ok(Vec::new()),
        }
    }

    /// Makes the sockets of an address end with this process: see [`ListeningSocket::adopt`].
    pub fn adopt(&mut self, address: &ListenAddress) {
        for Served { socket, by } in self.of(address) {
            socket.adopt();
            by.iter().for_each(|listening| listening.share(false));
        }
    }

    /// Leaves the sockets of an address to another process: see [`ListeningSocket::hand_over`].
    pub fn hand_over(&mut self, address: &ListenAddress) {
        for Served { socket, by } in self.of(address) {
            socket.hand_over();
            by.iter().for_each(|listening| listening.share(true));
        }
    }

    fn of(&mut self, address: &ListenAddress) -> impl Iterator<Item = &mut Served> {
        let served = self.listeners.iter_mut();
        served.filter(move |served| served.socket.address() == address)
    }

    /// Serves new connections on an address with another gateway. Returns true if the address is
    /// served.
    pub fn replace(&self, address: &ListenAddress, gateway: &Gateway) -> bool {
        let mut served = self.listeners.iter();
        let Some(Served { socket, by }) = served.find(|served| served.socket.address() == address)
        else {
            return false;
        };
        if let ListenAddress::Tcp(_) = address {
            socket.each(|socket| gateway.watch_clients(socket));
        }
        for listening in by {
            listening.replace(Arc::clone(&gateway.port));
        }
        true
    }

    /// Stops accepting connections on an address. Open connections stay.
    pub fn remove(&mut self, address: &ListenAddress) {
        self.listeners.retain(|Served { socket, by }| {
            let is_it = socket.address() == address;
            if is_it {
                by.iter().for_each(|listening| listening.remove());
            }
            !is_it
        });
    }

    /// Returns a check that the workers make progress.
    pub fn pulse(&self) -> Pulse {
        let runtimes = self.threads.iter().map(|worker| worker.runtime.clone());
        Pulse::new(runtimes.collect())
    }

    /// The addresses on which the workers listen.
    pub fn addresses(&self) -> impl Iterator<Item = &ListenAddress> {
        self.listeners.iter().map(|served| served.socket.address())
    }

    /// Asks the workers to drain and end. This process then listens no more, but other processes
    /// continue with sockets that they share. Clients that have just connected to a shared socket
    /// are answered first.
    pub fn stop(&self) {
        self.stop_over(Duration::ZERO);
    }

    /// Stops like [`stop`](Self::stop), and asks connections to close one after the other over this
    /// time, so that clients that reconnect immediately do not all do so together. The time counts
    /// towards the deadline.
    pub fn stop_over(&self, over: Duration) {
        for Served { socket, by } in &self.listeners {
            by.iter().for_each(|listening| listening.spread(over));
            if socket.is_shared() {
                continue;
            }
            socket.shut();
            if over.is_zero() {
                by.iter().for_each(|listening| listening.close());
            }
        }
        self.stop.cancel();
    }

    /// Waits for the workers to end; blocks the thread.
    ///
    /// # Errors
    ///
    /// A worker failed.
    pub fn join(self) -> io::Result<Drained> {
        let panicked = |_| io::Error::other("a worker thread panicked");
        let threads = self.threads.into_iter();
        let drained = threads.map(|worker| worker.thread.join().map_err(panicked)?);
        Ok(total(drained.collect::<io::Result<Vec<_>>>()?))
    }
}

fn total(drained: Vec<Drained>) -> Drained {
    let cut = drained.into_iter().map(|drained| drained.cut).sum();
    Drained { cut }
}

/// Runs a worker until it is stopped and drained.
fn run(
    runtime: tokio::runtime::Runtime,
    mut to_serve: UnboundedReceiver<(Listener, Arc<Listening>)>,
    stop: &CancellationToken,
    deadline: Duration,
) -> Drained {
    let drained = runtime.block_on(async {
        let mut serving = FuturesUnordered::new();
        let mut ended = Vec::new();
        loop {
            tokio::select! {
                Some((listener, listening)) = to_serve.recv() => {
                    serving.push(async move {
                        listening.serve(listener, stop.cancelled(), deadline).await
                    });
                }
                Some(drained) = serving.next() => ended.push(drained),
                () = stop.cancelled() => break,
            }
        }
        ended.extend(serving.collect::<Vec<_>>().await);
        total(ended)
    });
    // The look-up of a name may take forever, and its result is not needed any more.
    runtime.shutdown_background();
    drained
}
