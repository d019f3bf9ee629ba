//! Threads that serve: each has a runtime and listening sockets of its own, so a connection never
//! changes its thread.

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

/// How many tasks a thread runs before it asks the kernel for more events. Measured with 1,000
/// connections that each send one message at a time: 61, the default, costs 5 to 10 % more.
const EVENT_INTERVAL: u32 = 256;

/// How many events it takes at once: what has been looked at for an event, here and in the kernel, is
/// still in the cache when its task runs. 1,024, the default, fetches one line in twelve twice.
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
    /// What it is given to serve.
    given: UnboundedSender<(Listener, Arc<Listening>)>,
    runtime: tokio::runtime::Handle,
}

/// An address that is served. It is told from here to end: a thread that has much to do comes to it
/// late.
#[derive(Debug)]
struct Served {
    socket: ListeningSocket,
    /// By each of the threads.
    by: Vec<Arc<Listening>>,
}

/// Why workers could not be started. Nothing listens and no thread is left then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: ListenAddress,
        /// What the system says.
        source: io::Error,
    },
    /// A thread cannot be spawned.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl Workers {
    /// Starts so many workers, which have nothing to serve yet. After [`stop`](Self::stop), connections
    /// have until the deadline to close.
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
                    // Those that run already have no connections that are worth a word.
                    workers.stop();
                    let _ = workers.join();
                    return Err(StartError::Thread(error));
                }
            }
        }
        Ok(workers)
    }

    /// Binds an address and has a gateway serve what comes in there. Returns where that is: a port of 0
    /// has become another.
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

    /// Has a gateway serve what comes in by sockets that listen already.
    ///
    /// # Errors
    ///
    /// There are no descriptors left for them.
    pub fn serve(&mut self, socket: ListeningSocket, gateway: &Gateway) -> io::Result<()> {
        if let ListenAddress::Tcp(_) = socket.address() {
            socket.each(|socket| gateway.watch_clients(socket));
        }
        // Each thread has a socket, and each socket a thread.
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
            // One that has ended serves nothing.
            let _ = worker.given.send((listener, listening));
        }
        self.listeners.push(Served { socket, by });
        Ok(())
    }

    /// Other descriptors for the sockets of an address, for a process that is to go on with them. There
    /// are none where it is not served.
    ///
    /// # Errors
    ///
    /// There are none left.
    pub fn descriptors(&self, address: &ListenAddress) -> io::Result<Vec<OwnedFd>> {
        let mut served = self.listeners.iter().map(|served| &served.socket);
        match served.find(|socket| socket.address() == address) {
            Some(socket) => socket.descriptors(),
            None => Ok(Vec::new()),
        }
    }

    /// Has the sockets of an address end with this process: see [`ListeningSocket::adopt`].
    pub fn adopt(&mut self, address: &ListenAddress) {
        for Served { socket, by } in self.of(address) {
            socket.adopt();
            by.iter().for_each(|listening| listening.share(false));
        }
    }

    /// Has another process go on with the sockets of an address: see [`ListeningSocket::hand_over`].
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

    /// Has new connections on an address served by another gateway; whether it is served at all.
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

    /// Has nothing come in on an address any more. The connections that did stay.
    pub fn remove(&mut self, address: &ListenAddress) {
        self.listeners.retain(|Served { socket, by }| {
            let is_it = socket.address() == address;
            if is_it {
                by.iter().for_each(|listening| listening.remove());
            }
            !is_it
        });
    }

    /// Tells whether the workers go through their work.
    pub fn pulse(&self) -> Pulse {
        let runtimes = self.threads.iter().map(|worker| worker.runtime.clone());
        Pulse::new(runtimes.collect())
    }

    /// Where the workers listen.
    pub fn addresses(&self) -> impl Iterator<Item = &ListenAddress> {
        self.listeners.iter().map(|served| served.socket.address())
    }

    /// Tells the workers to drain and end. From now on nothing listens, but for other processes where they
    /// go on with a socket; who has just come by one of those is answered first.
    pub fn stop(&self) {
        self.stop_over(Duration::ZERO);
    }

    /// The same, where connections are asked to close one after the other over this time: those who come
    /// again at once do not all come together. The deadline for them does not wait for that.
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
        let panicked = |_| io::Error::other("a thread that serves panicked");
        let threads = self.threads.into_iter();
        let drained = threads.map(|worker| worker.thread.join().map_err(panicked)?);
        Ok(total(drained.collect::<io::Result<Vec<_>>>()?))
    }
}

fn total(drained: Vec<Drained>) -> Drained {
    let cut = drained.into_iter().map(|drained| drained.cut).sum();
    Drained { cut }
}

/// What a worker does.
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
    // The look-up of a name may take for ever, and nobody wants to know any more.
    runtime.shutdown_background();
    drained
}
