//! The sockets of ZeroMQ by which web apps publish.

use std::io;
use std::thread::JoinHandle;

use polysock::{Channels, ListenAddress};
use polysock_web::{BoundZmqSocket, ZmqSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::config::zmq::{ZmqAddress, ZmqSection};

/// The sockets, while they are bound. Their thread serves nobody else.
#[derive(Debug)]
pub(super) struct ZmqSockets {
    ended: CancellationToken,
    thread: JoinHandle<()>,
}

impl ZmqSockets {
    /// Binds them, where there are to be some.
    ///
    /// # Errors
    ///
    /// An address cannot be bound, or the thread not be started.
    pub(super) fn start(of: &ZmqSection, channels: &Channels) -> Result<Option<Self>, String> {
        if of.pull.is_empty() && of.sub.is_empty() {
            return Ok(None);
        }
        let problem = |error: io::Error| format!("the sockets of ZeroMQ: {error}");
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(problem)?;
        let context = runtime.enter();
        let mut sockets = Vec::new();
        for address in &of.pull {
            let mut socket = ZmqSocket::pull(channels.clone());
            if let Some(name) = &of.topic_field {
                socket = socket.topic_field(name);
            }
            sockets.push(bind(socket, address, "PULL")?);
        }
        for address in &of.sub {
            let socket = ZmqSocket::sub(channels.clone());
            sockets.push(bind(socket, address, "SUB")?);
        }
        drop(context);
        let ended = CancellationToken::new();
        let until = ended.clone();
        let thread = std::thread::Builder::new().name("zmq".to_owned());
        let thread = thread.spawn(move || serve(&runtime, sockets, until));
        Ok(Some(Self {
            ended,
            thread: thread.map_err(problem)?,
        }))
    }

    /// Ends: their peers are let go.
    pub(super) fn end(self) {
        self.ended.cancel();
        // A thread that panicked has told so.
        let _ = self.thread.join();
    }
}

fn bind(socket: ZmqSocket, address: &ZmqAddress, kind: &str) -> Result<BoundZmqSocket, String> {
    let place = match address {
        ZmqAddress::Tcp(address) => ListenAddress::Tcp(*address),
        ZmqAddress::Ipc(path) => ListenAddress::Unix {
            path: path.clone(),
            mode: Some(0o660),
        },
    };
    let socket = socket.bind(&place);
    let socket = socket.map_err(|error| format!("cannot bind {address} for ZeroMQ: {error}"))?;
    info!("{kind} socket of ZeroMQ on {}", socket.endpoint());
    Ok(socket)
}

fn serve(runtime: &Runtime, sockets: Vec<BoundZmqSocket>, until: CancellationToken) {
    runtime.block_on(async {
        let serving: JoinSet<()> = sockets.into_iter().map(BoundZmqSocket::serve).collect();
        until.cancelled_owned().await;
        drop(serving);
    });
}
