//! `polysock serve`.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytestring::ByteString;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use polysock::apps::{Broadcaster, CHAT_PAGE, Chat, Relay, echo};
use polysock::protocols::{Limits, Masking, SessionConfig};
use polysock::upstream::{Upstream, UpstreamSettings, end_processes};
use polysock::{BinaryOverText, Gateway, ListenAddress, Pages, PortSettings, Site, SiteSettings};
use tracing::warn;

use crate::exit::Exit;
use crate::flags::compression::CompressionFlags;
use crate::flags::connections::{ConnectionFlags, Takes};
use crate::flags::exec::ExecFlags;
use crate::flags::listen::{ListenFlags, cannot_start};
use crate::flags::memory::MemoryFlags;
use crate::flags::server::{any_size, reach, run};
use crate::flags::site::{AcceptFlags, PortFlags, TrustFlags, port_settings, site_settings};
use crate::flags::timeouts::{HandshakeTimeout, ServingTimeouts};
use crate::flags::values;
use crate::signals::Signals;

/// Listen, and serve every client in the protocol it speaks
///
/// With nothing said: a chat on 127.0.0.1:8080, with a page for browsers.
#[derive(Args, Debug)]
#[command(after_long_help = SECURITY)]
pub(crate) struct Serve {
    #[command(flatten)]
    listen: ListenFlags,

    /// What to put behind the port: tcp://HOST:PORT, unix:PATH, exec:COMMAND for a process for each
    /// client, ws://HOST:PORT[/PATH], or ws+PROTOCOL://… for a server that speaks only an old protocol,
    /// as ws+hixie76://, or ws+auto:// to find out which. A PATH that ends in / has the client's path
    /// put behind it, any other stands for it; the client's query always goes along
    #[arg(value_name = "UPSTREAM", conflicts_with = "app")]
    upstream: Option<String>,

    /// Serve an application that comes with polysock
    #[arg(long, value_enum, value_name = "APP")]
    app: Option<App>,

    #[command(flatten)]
    accept: AcceptFlags,

    /// A subprotocol to speak, the preferred first: clients that offer one of them are answered with
    /// it, and a ws:// upstream is offered no other. Repeatable, or names with commas. Without it
    /// the client's preference counts
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = values::subprotocol)]
    subprotocol: Vec<ByteString>,

    /// How binary messages travel to clients whose protocol has none: as base64 text, or not at
    /// all, which closes the connection
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Binary::Close)]
    binary_over_text: Binary,

    /// Speak HTTP/2, with a WebSocket on each stream (RFC 8441): `on` or `off`
    #[arg(long, value_name = "SWITCH", value_parser = BoolishValueParser::new(), action = ArgAction::Set, default_value = "on")]
    http2: bool,

    #[command(flatten)]
    port: PortFlags,

    #[command(flatten)]
    trust: TrustFlags,

    /// The largest message: bytes, KiB, MiB, GiB or `none` [default: 1MiB for an application, 16KiB
    /// for the chat, none for an upstream, through which messages pass in pieces]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_message: Option<u64>,

    /// The largest frame
    #[arg(long, value_name = "SIZE", value_parser = values::size, default_value = "none")]
    max_frame: u64,

    /// The most messages a second that a client may send, or `none`; one that sends more is closed
    /// (1008)
    #[arg(long, value_name = "COUNT", value_parser = values::optional_count, default_value = "none")]
    max_messages_per_second: u32,

    #[command(flatten)]
    memory: MemoryFlags,

    /// The most fragments of a message
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().fragments)]
    max_fragments: u32,

    #[command(flatten)]
    connections: ConnectionFlags,

    #[command(flatten)]
    handshake: HandshakeTimeout,

    /// How long a client may take to answer our close
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "3s")]
    close_timeout: Duration,

    /// How long a client may be silent, or `none`
    #[arg(long, value_name = "TIME", value_parser = values::optional_duration, default_value = "none")]
    idle_timeout: Duration,

    /// After how much silence a client is pinged, or `none`; one that does not answer is given up
    #[arg(long, value_name = "TIME", value_parser = values::optional_duration, default_value = "25s")]
    ping_interval: Duration,

    /// How long a client may take to answer a ping, no longer than the ping interval
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "8s")]
    pong_timeout: Duration,

    /// How long an upstream may be silent, or `none`. A ws:// upstream is pinged as clients are, and its
    /// answers count; for one that knows no pings (tcp://, unix:, ws+hixie76://) this alone tells
    /// whether it has stopped
    #[arg(long, value_name = "TIME", value_parser = values::optional_duration, default_value = "none")]
    upstream_idle_timeout: Duration,

    #[command(flatten)]
    timeouts: ServingTimeouts,

    /// How many threads serve [default: the number of cores]
    #[arg(long, value_name = "COUNT")]
    workers: Option<NonZeroUsize>,

    #[command(flatten)]
    compression: CompressionFlags,

    #[command(flatten)]
    exec: ExecFlags,

    /// A program and its arguments, to run a process of for each client, as exec:COMMAND does:
    /// `polysock serve -- ./count.sh 10`
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["upstream", "app"])]
    command: Vec<String>,
}

const SECURITY: &str = "\
What an old protocol costs in security:
  hixie-75, hixie-76, hybi-01 to hybi-03   Clients do not mask what they send. On plain TCP a page
      can put chosen bytes on the wire and poison the cache of a transparent proxy (RFC 6455
      section 10.3). Serve them behind TLS or on networks you trust.
  hixie-75   Has no challenge: whatever can make a browser or a server send a few lines can open a
      connection. Give a list of --origin.
  hybi-04 to hybi-10, rfc6455   Are masked.
In every protocol a browser sends cookies along, so a page of anybody's can connect in its user's
name unless --origin lists the pages that may.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum App {
    Echo,
    Chat,
    Broadcast,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Binary {
    Base64,
    Close,
}

impl Serve {
    pub(crate) fn run(self) -> Exit {
        let gateway = match self.gateway() {
            Ok(gateway) => gateway,
            Err(problem) => return Exit::Usage.with(problem),
        };
        // Before anybody can know that we listen, and stop us.
        let mut signals = match Signals::catch() {
            Ok(signals) => signals,
            Err(problem) => return Exit::Failed.with(problem),
        };
        let cores = std::thread::available_parallelism();
        let count = self.workers.or(cores.ok()).map_or(1, NonZeroUsize::get);
        let deadline = self.timeouts.shutdown_timeout;
        let workers = match self.listen.start(&gateway, count, deadline) {
            Ok(workers) => workers,
            Err(problem) => return Exit::Failed.with(cannot_start(&problem)),
        };
        self.warn_of_unmasked(workers.addresses());
        signals.wait();
        workers.stop();
        let end = Instant::now() + deadline;
        let exit = signals.wait_for(deadline, || Ok(workers.join()?.cut));
        end_processes(end.saturating_duration_since(Instant::now()));
        exit
    }

    fn gateway(&self) -> Result<Gateway, String> {
        let binary_over_text = match self.binary_over_text {
            Binary::Base64 => BinaryOverText::Base64,
            Binary::Close => BinaryOverText::Close,
        };
        let site = if let Some(upstream) = self.behind()? {
            let relay = Relay::new(upstream);
            let site = Site::new(relay.binary_over_text(binary_over_text));
            site.with_settings(self.site_settings(u64::MAX))
        } else {
            let app = self.app.unwrap_or(App::Chat);
            let max_message = match app {
                App::Chat => Chat::MAX_MESSAGE,
                App::Echo | App::Broadcast => SiteSettings::default().session.max_message,
            };
            let site = match app {
                App::Echo => Site::new(echo),
                App::Chat => Site::new(Chat::new()).with_http(Pages::with_index(CHAT_PAGE)),
                App::Broadcast => Site::new(Broadcaster::new().binary_over_text(binary_over_text)),
            };
            site.with_settings(self.site_settings(max_message))
        };
        let takes = match (&self.upstream, &*self.command) {
            (None, []) => Takes::One,
            _ => Takes::Two,
        };
        let settings = PortSettings {
            connections: self.connections.limits(takes),
            keep_alive: self.keep_alive(),
            handshake_timeout: self.handshake.handshake_timeout,
            budget: self.memory.budget(),
            http2: self.http2,
            ..self.trust.settings(port_settings(&self.accept, &self.port))
        };
        Ok(Gateway::with_site(site, settings))
    }

    /// What stands behind the port, where it is no application.
    fn behind(&self) -> Result<Option<Arc<dyn Upstream>>, String> {
        let (url, settings) = (self.upstream.as_deref(), self.upstream_settings());
        if let Some(process) = run(url, &self.command, settings.clone(), self.exec.settings())? {
            return Ok(Some(process));
        }
        url.map(|url| reach(url, settings)).transpose()
    }

    fn upstream_settings(&self) -> UpstreamSettings {
        UpstreamSettings {
            connect_timeout: self.timeouts.connect_timeout,
            keep_alive: self.keep_alive(),
            head: self.port.head(),
            limits: self.limits(),
            compression: self.compression.upstream(),
            session: SessionConfig {
                close_timeout: self.close_timeout,
                idle_timeout: given(self.upstream_idle_timeout),
                ping_interval: given(self.ping_interval),
                pong_timeout: self.pong_timeout,
                ..any_size().session
            },
            ..UpstreamSettings::default()
        }
    }

    /// The kernel looks for peers that are gone as often as they are pinged.
    fn keep_alive(&self) -> Duration {
        given(self.ping_interval).unwrap_or(PortSettings::default().keep_alive)
    }

    fn site_settings(&self, max_message: u64) -> SiteSettings {
        SiteSettings {
            session: SessionConfig {
                max_message: self.max_message.unwrap_or(max_message),
                max_messages_per_second: Some(self.max_messages_per_second)
                    .filter(|count| *count > 0),
                close_timeout: self.close_timeout,
                idle_timeout: given(self.idle_timeout),
                ping_interval: given(self.ping_interval),
                pong_timeout: self.pong_timeout,
            },
            limits: self.limits(),
            subprotocols: self.subprotocol.clone(),
            compression: self.compression.downstream(),
            ..site_settings(&self.accept)
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            frame: self.max_frame,
            fragments: self.max_fragments,
            ..Limits::default()
        }
    }

    /// RFC 6455 §10.3 in a line for each protocol that cannot heed it.
    fn warn_of_unmasked<'a>(&self, addresses: impl Iterator<Item = &'a ListenAddress>) {
        let is_open = |address: &&ListenAddress| match address {
            ListenAddress::Tcp(address) => !address.ip().is_loopback(),
            ListenAddress::Unix { .. } => false,
        };
        let mut addresses = addresses;
        let Some(address) = addresses.find(is_open) else {
            return;
        };
        if !self.accept.origin.is_empty() {
            return;
        }
        for protocol in self
            .accept
            .protocols
            .0
            .iter()
            .filter(|protocol| protocol.masking() == Masking::None)
        {
            warn!(
                "{} is served on {address} to pages of any origin, and its clients do not mask: \
                 list the pages with --origin, or leave it out of --protocols",
                protocol.name()
            );
        }
    }
}

/// A time that may be `none`.
fn given(time: Duration) -> Option<Duration> {
    Some(time).filter(|time| !time.is_zero())
}
