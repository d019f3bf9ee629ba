//! The ZeroMQ sockets on which web apps publish.

use std::io;
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use polysock::{Channels, ListenAddress};
use polysock_web::{BoundZmqSocket, ZmqSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::beside::{Beside, ZMQ};
use crate::config::zmq::{ZmqAddress, ZmqSection};

/// The bound ZeroMQ sockets, and the thread that serves only them.
#[derive(Debug)]
pub(super) struct ZmqSockets {
    beside: Vec<Beside>,
    ended: CancellationToken,
    thread: JoinHandle<()>,
}

impl ZmqSockets {
    /// Binds the configured sockets, or continues with those that the predecessor has passed on by
    /// name. Returns `None` if none is configured.
    ///
    /// # Errors
    ///
    /// An address cannot be bound, or the thread cannot be started.
    pub(super) fn start(
        of: &ZmqSection,
        channels: &Channels,
        mut passed: impl FnMut(&str) -> Option<Vec<OwnedFd>>,
    ) -> Result<Option<Self>, String> {
        if of.pull.is_empty() && of.sub.is_empty() {
            return Ok(None);
        }
        let problem = |error: io::Error| format!("ZeroMQ: {error}");
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(problem)?;
        let context = runtime.enter();
        let (mut sockets, mut beside) = (Vec::new(), Vec::new());
        let mut bind = |socket: ZmqSocket, address: &ZmqAddress, kind| {
            let name = Beside::name(ZMQ, address);
            let passed = passed(&name);
            let opened = Beside::open(name, &place(address), passed);
            let bound = opened.and_then(|opened| {
                let bound = socket.on(opened.to_serve()?)?;
                beside.push(opened);
                Ok(bound)
            });
            let bound =
                bound.map_err(|error| format!("cannot bind {address} for ZeroMQ: {error}"))?;
            info!("ZeroMQ {kind} socket on {}", bound.endpoint());
            sockets.push(bound);
            Ok::<_, String>(())
        };
        for address in &of.pull {
            let mut socket = ZmqSocket::pull(channels.clone());
            if let Some(name) = &of.topic_field {
                socket = socket.topic_field(name);
            }
            bind(socket, address, "PULL")?;
        }
        for address in &of.sub {
            let socket = ZmqSocket::sub(channels.clone());
            bind(socket, address, "SUB")?;
        }
        drop(context);
        let ended = CancellationToken::new();
        let until = ended.clone();
        let thread = std::thread::Builder::new().name("zmq".to_owned());
        let thread = thread.spawn(move || serve(&runtime, sockets, until));
        Ok(Some(Self {
            beside,
            ended,
            thread: thread.map_err(problem)?,
        }))
    }

    /// The sockets, for a server that takes over.
    pub(super) fn beside(&mut self) -> impl Iterator<Item = &mut Beside> {
        self.beside.iter_mut()
    }

    /// Gives up the sockets that the successor has taken, and disconnects all peers, which then
    /// connect to the successor.
    pub(super) fn hand_over(&mut self, wanted: &[String]) {
        for beside in &mut self.beside {
            beside.hand_over(wanted);
        }
        self.ended.cancel();
    }

    /// Disconnects the peers and waits for the thread to end.
    pub(super) fn end(self) {
        self.ended.cancel();
        // A panic of the thread has been logged already.
        let _ = self.thread.join();
    }
}

fn place(address: &ZmqAddress) -> ListenAddress {
    match address {
        ZmqAddress::Tcp(address) => ListenAddress::Tcp(*address),
        ZmqAddress::Ipc(path) => ListenAddress::Unix {
            path: path.clone(),
            mode: Some(0o660),
        },
    }
}

fn serve(runtime: &Runtime, sockets: Vec<BoundZmqSocket>, until: CancellationToken) {
    runtime.block_on(async {
        let serving: JoinSet<()> = sockets.into_iter().map(BoundZmqSocket::serve).collect();
        until.cancelled_owned().await;
        drop(serving);
    });
}
