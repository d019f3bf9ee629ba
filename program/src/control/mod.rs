//! The control listener for operators: metrics, health, a status page, and actions.
//!
//! ```text
//!   token          a secret that is compared in constant time
//!   client         the client of a control listener
//!   guard          access control
//!   answer         answers: text, JSON, problems (RFC 9457)
//!   connections    open connections, and filters that select some of them
//!   census         clients by protocol, device and origin, and when each was last seen
//!   rates          counts of the last minute, quarter of an hour and day
//!   state          the state of the server, as this listener sees it
//!   metrics        metrics for Prometheus
//!   status         the state of the server, and the reasons why clients are refused
//!   page           the same as web pages
//!   actions        the actions of operators
//!   tap            the traffic of connections, line by line
//!   service        the routes
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
pub(crate) use self::state::{Ask, Certificates, Facts, InitialState, State};
pub(crate) use self::tap::text_of as tapped_text;
pub(crate) use self::token::Token;
use crate::beside::{BesideListener, CONTROL};

/// The interval at which the census is written to its file.
const STORING: Duration = Duration::from_secs(60);

/// The settings of a control listener.
#[derive(Clone, Debug)]
pub(crate) struct ControlSettings {
    pub(crate) address: ListenAddress,
    pub(crate) token: Option<Token>,
    /// Further names that are allowed in `Host`.
    pub(crate) hosts: Vec<String>,
    /// The file of the census; `None` if it is not stored.
    pub(crate) census: Option<PathBuf>,
}

/// A running control listener.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) state: Arc<State>,
    asks: UnboundedReceiver<Ask>,
    pub(crate) listener: BesideListener,
    census: Option<PathBuf>,
}

impl Control {
    /// Opens the listener, or continues with the sockets that the predecessor has passed on.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, a thread cannot be started, or other machines could reach the
    /// listener without a token.
    pub(crate) fn start(
        settings: ControlSettings,
        beginning: InitialState,
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
                "the control listener on {address} is reachable from other machines and needs a token: add \
                 [control] token or --control-token-file, or listen on unix:PATH or 127.0.0.1"
            ));
        }
        let census = Arc::new(Census::default());
        if let Some(file) = &file
            && let Err(error) = census.load(file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warn!(
                "{}: the census cannot be read, and starts empty: {error}",
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

    /// Waits for a request to the server itself.
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

    /// Runs the periodic work: the registry's clock, the rates, and storing the census.
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

    /// The file of the census, if it is stored.
    pub(crate) fn census(&self) -> Option<PathBuf> {
        self.census.clone()
    }

    /// Stores the census and closes the listener.
    pub(crate) fn end(self) {
        store(&self.state, self.census.as_deref());
        self.listener.end();
    }
}

fn store(state: &State, file: Option<&std::path::Path>) {
    let Some(file) = file else { return };
    if let Err(error) = state.census.store(file) {
        warn!("{}: the census cannot be written: {error}", file.display());
    }
}
