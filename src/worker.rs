//! Threads that serve: each has a runtime and a listening socket of its own, so a connection never
//! changes its thread.

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

/// How many tasks a worker runs before it asks the kernel for more events. Measured with 1,000
/// connections that each send one message at a time: 61, the default, costs a tenth more.
const EVENT_INTERVAL: u32 = 256;

/// Worker threads that serve one gateway on some addresses.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<thread::JoinHandle<io::Result<Drained>>>,
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
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
        let stop = CancellationToken::new();
        let mut workers: Vec<Vec<std::net::TcpListener>> = (0..count).map(|_| vec![]).collect();
        let mut bound = Vec::new();
        for address in addresses {
            let failed = |error| (*address, error);
            let listeners = listener::bind(*address, count).map_err(failed)?;
            let local = listeners.first().map(std::net::TcpListener::local_addr);
            bound.push(local.transpose().map_err(failed)?.unwrap_or(*address));
            for (worker, listener) in workers.iter_mut().zip(listeners) {
                worker.push(listener);
            }
        }
        let start_one = |(number, listeners)| {
            let (gateway, stop) = (gateway.clone(), stop.clone());
            let name = format!("worker-{number}");
            thread::Builder::new()
                .name(name)
                .spawn(move || serve(&gateway, listeners, &stop, deadline))
        };
        let threads = workers.into_iter().enumerate().map(start_one);
        let threads = threads.collect::<io::Result<Vec<_>>>();
        let any = addresses.first().copied();
        let threads = threads.map_err(|error| (any.unwrap_or(([0; 4], 0).into()), error))?;
        Ok(Self {
            threads,
            addresses: bound,
            stop,
        })
    }

    /// Where the workers listen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Tells the workers to drain and end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the workers to end; blocks the thread.
    ///
    /// # Errors
    ///
    /// A worker failed.
    pub fn join(self) -> io::Result<Drained> {
        let mut cut = 0;
        for thread in self.threads {
            let panicked = |_| io::Error::other("a worker panicked");
            cut += thread.join().map_err(panicked)??.cut;
        }
        Ok(Drained { cut })
    }
}

fn serve(
    gateway: &Gateway,
    listeners: Vec<std::net::TcpListener>,
    stop: &CancellationToken,
    deadline: Duration,
) -> io::Result<Drained> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()?;
    runtime.block_on(async {
        let mut serving = Vec::new();
        for listener in listeners {
            let listener = TcpListener::from_std(listener)?;
            serving.push(gateway.clone().serve(listener, stop.cancelled(), deadline));
        }
        let drained = join_all(serving).await;
        Ok(Drained {
            cut: drained.iter().map(|drained| drained.cut).sum(),
        })
    })
}
