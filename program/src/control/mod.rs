//! What operators see and do, on a listener of its own: metrics, health, a page, and what can be changed.
//!
//! ```text
//!   token          a secret that is compared
//!   client         asks a control listener
//!   guard          who may ask for what
//!   answer         answers: text, JSON, problems
//!   connections    the open connections, and those of them that are chosen
//!   census         who has been here: protocols, devices, pages
//!   rates          how much there was of what lately
//!   state          what is known of the server
//!   metrics        what is counted, as Prometheus reads it
//!   status         the state of the server, and why clients are refused
//!   page           the same for people
//!   actions        what is changed
//!   tap            what comes and goes on connections
//!   service        which path is for what
//! ```

mod actions;
mod answer;
mod census;
mod client;
mod connections;
mod guard;
mod metrics;
mod page;
mod rates;
mod service;
mod state;
mod status;
mod tap;
mod token;

use std::future::pending;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polysock::protocols::Rejection;
use polysock::{Gateway, Handshake, ListenAddress, PortSettings, Site};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::warn;

use self::census::Census;
pub(crate) use self::client::{Address, Client, ClientError};
use self::guard::Guard;
use self::service::Answers;
pub(crate) use self::state::{Ask, Beginning, Certificates, Facts, State};
pub(crate) use self::tap::text_of as tapped_text;
pub(crate) use self::token::Token;
use crate::beside::{BesideListener, CONTROL};

/// How often what is known of devices is written down.
const STORING: Duration = Duration::from_secs(60);

/// What a control listener is told.
#[derive(Clone, Debug)]
pub(crate) struct ControlSettings {
    pub(crate) address: ListenAddress,
    pub(crate) token: Option<Token>,
    /// Further names that it may be asked by.
    pub(crate) hosts: Vec<String>,
    /// Where what is known of devices is kept.
    pub(crate) census: Option<PathBuf>,
}

/// A control listener at work.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) state: Arc<State>,
    asks: UnboundedReceiver<Ask>,
    pub(crate) listener: BesideListener,
    census: Option<PathBuf>,
}

impl Control {
    /// Listens, or goes on with what the server before has passed on.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, a thread not be started, or anybody could do anything there.
    pub(crate) fn start(
        settings: ControlSettings,
        beginning: Beginning,
        passed: Option<Vec<OwnedFd>>,
    ) -> Result<Self, String> {
        let ControlSettings {
            address,
            token,
            hosts,
            census: file,
        } = settings;
        let ip = match &address {
            ListenAddress::Tcp(address) => Some(address.ip()),
            ListenAddress::Unix { .. } => None,
        };
        if ip.is_some_and(|ip| !ip.is_loopback()) && token.is_none() {
            return Err(format!(
                "the control listener on {address} needs a token, as it is not on this machine alone: add [control] \
                 token or --control-token-file, or listen on unix:PATH or 127.0.0.1"
            ));
        }
        let census = Arc::new(Census::default());
        if let Some(file) = &file
            && let Err(error) = census.load(file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warn!(
                "{}: what was known of devices is lost: {error}",
                file.display()
            );
        }
        let registry = beginning.registry.clone();
        let (asking, asks) = unbounded_channel();
        let state = Arc::new(State::new(beginning, Arc::clone(&census), asking));
        let guard = Guard {
            address: ip,
            hosts,
            token,
            form_key: Token::random(),
        };
        let answers = Answers {
            state: Arc::clone(&state),
            guard: Arc::new(guard),
        };
        let site = Site::new(async |handshake: Handshake| {
            handshake.reject(Rejection::new(404, "there is no WebSocket here"));
            Ok(())
        });
        let gateway = Gateway::with_site(site.with_http(answers), PortSettings::default());
        let listener = BesideListener::start(CONTROL, &address, passed, &gateway)?;
        registry.observe(census);
        Ok(Self {
            state,
            asks,
            listener,
            census: file,
        })
    }

    /// Waits for somebody who wants something done.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn asked(&mut self) -> Ask {
        match self.asks.recv().await {
            Some(ask) => ask,
            None => pending().await,
        }
    }

    /// What has to be done again and again: the clock goes on, and what is known of devices is written down.
    pub(crate) async fn run(state: Arc<State>, census: Option<PathBuf>) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        let mut since_stored = Duration::ZERO;
        loop {
            ticks.tick().await;
            state.registry.tick();
            state.rates.tick(&state.registry);
            since_stored += ticks.period();
            if since_stored >= STORING {
                since_stored = Duration::ZERO;
                store(&state, census.as_deref());
            }
        }
    }

    /// Where what is known of devices is kept.
    pub(crate) fn census(&self) -> Option<PathBuf> {
        self.census.clone()
    }

    /// Ends.
    pub(crate) fn end(self) {
        store(&self.state, self.census.as_deref());
        self.listener.end();
    }
}

fn store(state: &State, file: Option<&std::path::Path>) {
    let Some(file) = file else { return };
    if let Err(error) = state.census.store(file) {
        warn!(
            "{}: what is known of devices cannot be kept: {error}",
            file.display()
        );
    }
}
