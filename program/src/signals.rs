//! SIGTERM and SIGINT, and how a server ends.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::exit::Exit;
use crate::log;

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on neither kills the process.
    pub(crate) fn catch() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _context = runtime.enter();
            (
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            )
        };
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }

    /// Waits for one of them.
    pub(crate) fn wait(&mut self) {
        let asked = asked(&mut self.terminate, &mut self.interrupt);
        self.runtime.block_on(asked);
        info!("closing connections");
    }

    /// Waits for the connections to close, as `join` does, which tells how many had to be cut;
    /// a second signal ends the process at once.
    pub(crate) fn wait_for(
        mut self,
        join: impl FnOnce() -> io::Result<usize> + Send + 'static,
    ) -> Exit {
        let asked = asked(&mut self.terminate, &mut self.interrupt);
        let cut = self.runtime.block_on(async {
            tokio::select! {
                cut = tokio::task::spawn_blocking(join) => cut.map_err(io::Error::other)?,
                () = asked => {
                    warn!("asked twice: not waiting for connections to close");
                    log::finish();
                    std::process::exit(75);
                }
            }
        });
        match cut {
            Ok(0) => Exit::Ok,
            Ok(cut) => {
                warn!(cut, "connections had to be cut at the shutdown deadline");
                Exit::Cut
            }
            Err(problem) => Exit::Failed.with(problem),
        }
    }
}

async fn asked(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
