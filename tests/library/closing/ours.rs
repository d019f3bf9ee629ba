//! Our side of a row: an application that acts as the row says, as a server and as a client.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use futures_util::{SinkExt, StreamExt};
use polysock::protocols::{Dial, PROTOCOLS, SessionConfig, find_protocol};
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};
use polysock::{
    Accept, Close, CloseCode, Connection, Gateway, Handshake, PortSettings, Site, SiteSettings,
};
use polysock_test_support::PATIENCE;
use polysock_test_support::closing::peer::MUCH;
use polysock_test_support::closing::table::{CLOSE_TIMEOUT, Got, IDLE, Ours, Row, Theirs, Told};
use polysock_test_support::gateway::serve;
use tokio::sync::Notify;
use tokio::task::yield_now;

/// The test's handle on a running application.
pub(crate) struct Actor {
    cue: Arc<Notify>,
    reports: Receiver<Got<Told>>,
}

impl Actor {
    /// Lets the application do the action for which it waits.
    pub(crate) fn cue(&self) {
        self.cue.notify_one();
    }

    /// Returns the end that the application observes on its next connection.
    pub(crate) fn told(&self) -> Got<Told> {
        self.reports.recv_timeout(PATIENCE).expect("a report")
    }
}

/// The behaviour of the application, cloned for each connection.
#[derive(Clone)]
struct Part {
    ours: Ours,
    cue: Arc<Notify>,
    report: Sender<Got<Told>>,
}

impl Part {
    fn of(row: &Row) -> (Self, Actor) {
        let (report, reports) = mpsc::channel();
        let cue = Arc::new(Notify::new());
        let actor = Actor {
            cue: Arc::clone(&cue),
            reports,
        };
        let ours = row.ours;
        (Self { ours, cue, report }, actor)
    }

    /// Acts, and reports the end that the application observes.
    async fn act(self, connection: Connection) {
        let told = self.told(connection).await;
        self.report.send(told).unwrap();
    }

    async fn told(&self, mut connection: Connection) -> Got<Told> {
        if let Ours::DropsUnread | Ours::DropsUnreadAndUnsent = self.ours {
            if self.ours == Ours::DropsUnreadAndUnsent {
                connection.feed("y".repeat(MUCH).into()).await.unwrap();
            }
            // Unsent bytes remain once the transport is full.
            self.cue.notified().await;
            return Got::Gone;
        }
        connection.next().await.unwrap().unwrap();
        connection.send("here".into()).await.unwrap();
        match self.ours {
            Ours::Closes => {
                let code = CloseCode::new(4001).unwrap();
                connection.start_close(Some(Close::new(code, "enough")));
            }
            Ours::Drops => return Got::Gone,
            Ours::SpeaksLate => {
                self.cue.notified().await;
                // Gives the runtime a turn to poll its sockets.
                yield_now().await;
                connection.feed("late".into()).await.unwrap();
            }
            Ours::Listens | Ours::ListensImpatiently => {}
            Ours::DropsUnread | Ours::DropsUnreadAndUnsent => unreachable!(),
        }
        let end = loop {
            match connection.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        Got::Some(Told::new(end.as_ref(), connection.closed()))
    }
}

/// Returns the session settings of our side.
fn session(row: &Row) -> SessionConfig {
    let close_timeout = match row.theirs {
        Theirs::Waits => CLOSE_TIMEOUT,
        _ => PATIENCE,
    };
    SessionConfig {
        close_timeout,
        idle_timeout: (row.ours == Ours::ListensImpatiently).then_some(IDLE),
        ..SessionConfig::default()
    }
}

/// Starts a gateway that acts as the row says.
pub(crate) fn gateway(row: &Row) -> (SocketAddr, Actor) {
    let (part, actor) = Part::of(row);
    let part = Mutex::new(part);
    let application = move |handshake: Handshake| {
        let part = part.lock().unwrap().clone();
        async move {
            let connection = handshake.accept(Accept::default()).await?;
            part.act(connection).await;
            Ok(())
        }
    };
    let session = session(row);
    let site = Site::new(application).with_settings(SiteSettings {
        session: SessionConfig {
            ping_interval: None,
            ..session
        },
        ..SiteSettings::default()
    });
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    let gateway = Gateway::with_site(site, settings);
    (serve(gateway), actor)
}

/// Starts a client that acts as the row says.
pub(crate) fn client(row: &Row, protocol: &str, address: SocketAddr) -> Actor {
    let (part, actor) = Part::of(row);
    let settings = UpstreamSettings {
        session: session(row),
        ..UpstreamSettings::default()
    };
    let upstream = WebSocketUpstream::parse(&format!("ws://{address}"), settings).unwrap();
    let upstream = upstream.with_protocol(find_protocol(protocol).unwrap());
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let connection = upstream.dial(Dial::default()).await.unwrap();
            part.act(connection).await;
            // The remaining output is sent in the background.
            tokio::time::sleep(PATIENCE).await;
        });
    });
    actor
}
